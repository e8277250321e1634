//! What an operator may set, its defaults and its bounds.
//!
//! Only keys that do something are here; any other is refused by name.

mod layers;
mod units;

pub(crate) use layers::{Layers, load};
pub(crate) use units::{Bandwidth, Network, Size, Span};

use crate::failure::Failure;
use harbor_proto::limits;
use harbor_proto::node::{Quota, Rate};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// The whole configuration. `harbor config example` prints it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Config {
    pub(crate) server: Server,
    pub(crate) database: Database,
    pub(crate) storage: Storage,
    pub(crate) relay: Relay,
    pub(crate) limits: Limits,
    pub(crate) observability: Observability,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Server {
    /// The address people type. Empty: made from the address that is listened on.
    pub(crate) public_url: String,
    /// Addresses to listen on; port 0 takes a free one.
    pub(crate) bind: Vec<String>,
    /// Where the database, the node's key and its lock live.
    pub(crate) data_dir: PathBuf,
    /// Serve the chat at `/`.
    pub(crate) web_app: bool,
    /// Networks whose `X-Forwarded-For` is believed.
    pub(crate) trusted_proxies: Vec<Network>,
    /// How long a stopping node waits for its clients.
    pub(crate) shutdown_grace: Span,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Database {
    /// `sqlite:///path/harbor.db`. Empty: `harbor.db` in the data directory.
    pub(crate) url: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Storage {
    /// A packet's own expiry is capped here.
    pub(crate) max_ttl: Span,
    pub(crate) quota_per_mailbox: Size,
    pub(crate) quota_per_mailbox_packets: u32,
    /// Bytes of packets on disk.
    pub(crate) quota_total: Size,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Relay {
    /// Bytes that one connection may have passed on to others, per second.
    pub(crate) bandwidth_per_link: Bandwidth,
}

/// Per address: an IPv4 address, or an IPv6 /64.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Limits {
    pub(crate) connections_per_ip: u32,
    pub(crate) watches: u32,
    pub(crate) requests: Bucket,
    pub(crate) packets: Bucket,
    /// Price of a stored packet: leading zero bits of its work stamp.
    pub(crate) store_bits: u8,
}

/// A burst, all of it back after `every`; no limit when `every` is "0s".
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Bucket {
    pub(crate) burst: u32,
    pub(crate) every: Span,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Observability {
    /// `/metrics`, `/counters`, `/healthz`, `/readyz`. Empty: off.
    pub(crate) admin_bind: String,
    /// Log filter: a level, or `target=level,...`.
    pub(crate) log: String,
    pub(crate) log_format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// For people.
    Text,
    /// For machines: one object per line.
    Json,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            public_url: String::new(),
            bind: vec!["[::]:8080".into()],
            data_dir: "/var/lib/harbor".into(),
            web_app: true,
            trusted_proxies: Vec::new(),
            shutdown_grace: Span(Duration::from_secs(30)),
        }
    }
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            max_ttl: Span(Duration::from_secs(u64::from(limits::MAX_TTL_HOURS) * 3600)),
            quota_per_mailbox: Size(limits::MAILBOX_BYTES),
            quota_per_mailbox_packets: limits::MAILBOX_PACKETS,
            quota_total: Size(20 << 30),
        }
    }
}

impl Default for Relay {
    fn default() -> Self {
        Self { bandwidth_per_link: Bandwidth(4 << 20) }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_per_ip: 32,
            watches: 1000,
            requests: Bucket::new(1200, 4),
            packets: Bucket::new(300, 2),
            store_bits: limits::STORE_BITS,
        }
    }
}

impl Bucket {
    fn new(burst: u32, every_secs: u64) -> Self {
        Self { burst, every: Span(Duration::from_secs(every_secs)) }
    }

    fn rate(&self) -> Rate {
        Rate { burst: self.burst, every_ms: self.every.ms() }
    }
}

impl Default for Observability {
    fn default() -> Self {
        Self { admin_bind: "127.0.0.1:9090".into(), log: "info".into(), log_format: LogFormat::Auto }
    }
}

impl Config {
    /// What the core is told; `id` and `log` belong to the data directory.
    pub(crate) fn node(
        &self,
        id: harbor_proto::id::EndpointId,
        log: [u8; 16],
    ) -> harbor_proto::node::NodeConfig {
        harbor_proto::node::NodeConfig {
            id,
            log,
            store_bits: self.limits.store_bits,
            max_ttl_hours: self.max_ttl_hours(),
            mailbox: self.mailbox_quota(),
            total_bytes: self.storage.quota_total.0,
            links_per_source: self.limits.connections_per_ip,
            watches_per_source: self.limits.watches,
            requests: self.limits.requests.rate(),
            packets: self.limits.packets.rate(),
            pass_bytes_per_sec: self.relay.bandwidth_per_link.0,
        }
    }

    /// What one mailbox may hold.
    pub(crate) fn mailbox_quota(&self) -> Quota {
        Quota { packets: self.storage.quota_per_mailbox_packets, bytes: self.storage.quota_per_mailbox.0 }
    }

    fn max_ttl_hours(&self) -> u32 {
        u32::try_from(self.storage.max_ttl.ms() / limits::HOUR_MS)
            .unwrap_or(u32::MAX)
            .min(limits::MAX_TTL_HOURS)
    }

    /// The SQLite file, or what is wrong with the URL.
    pub(crate) fn database_file(&self) -> Result<PathBuf, Failure> {
        let url = self.database.url.as_str();
        if url.is_empty() {
            return Ok(self.server.data_dir.join("harbor.db"));
        }
        match url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")) {
            Some(path) if !path.is_empty() && !path.contains(['?', '#']) => Ok(path.into()),
            _ => Err(Failure::config(format!(
                "database.url: \"{url}\" cannot be used. Write sqlite:///path/to/harbor.db, or leave it out to \
                 keep the database in the data directory."
            ))),
        }
    }

    /// Bounds that a type cannot say.
    fn check(&self) -> Result<(), String> {
        let hours = self.storage.max_ttl.ms() / limits::HOUR_MS;
        if !(1..=u64::from(limits::MAX_TTL_HOURS)).contains(&hours) {
            return Err(format!("storage.max_ttl: {} is outside 1h to 30d", self.storage.max_ttl));
        }
        if self.limits.store_bits > 32 {
            return Err(format!(
                "limits.store_bits: {} is above 32; no client would finish",
                self.limits.store_bits
            ));
        }
        let least = limits::PACKET_SIZES[0] as u64;
        for (key, size) in
            [("quota_per_mailbox", self.storage.quota_per_mailbox), ("quota_total", self.storage.quota_total)]
        {
            if size.0 < least {
                return Err(format!("storage.{key}: {size} does not hold one packet of {}", Size(least)));
            }
        }
        for (key, positive) in [
            ("storage.quota_per_mailbox_packets", self.storage.quota_per_mailbox_packets > 0),
            ("limits.connections_per_ip", self.limits.connections_per_ip > 0),
            ("limits.watches", self.limits.watches > 0),
            ("limits.requests.burst", self.limits.requests.burst > 0),
            ("limits.packets.burst", self.limits.packets.burst > 0),
        ] {
            if !positive {
                return Err(format!("{key}: must be more than 0"));
            }
        }
        if self.server.bind.is_empty() {
            return Err("server.bind: name at least one address, like \"[::]:8080\"".into());
        }
        let url = &self.server.public_url;
        if !url.is_empty() && !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(format!("server.public_url: \"{url}\" must start with https:// or http://"));
        }
        self.database_file().map(drop).map_err(|failure| failure.to_string())
    }
}
