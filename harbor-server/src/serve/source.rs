//! Whom limits are counted for: an address, as a number that means nothing once the process ends.

use harbor_proto::node::SourceId;
use ipnet::IpNet;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};

/// Turns addresses into [`SourceId`]s under a key that is never written down.
#[derive(Debug)]
pub(crate) struct Sources {
    key: RandomState,
    trusted: Vec<IpNet>,
}

impl Sources {
    pub(crate) fn new(trusted: Vec<IpNet>) -> Self {
        Self { key: RandomState::new(), trusted }
    }

    /// The source of a request that came from `peer`. `forwarded` are its `X-Forwarded-For` values, which
    /// count only as far back as trusted proxies wrote them.
    pub(crate) fn of<'a>(
        &self,
        peer: SocketAddr,
        forwarded: impl DoubleEndedIterator<Item = &'a str>,
    ) -> SourceId {
        let mut client = peer.ip().to_canonical();
        let mut hops = forwarded.flat_map(|value| value.split(',')).rev();
        while self.trusted.iter().any(|net| net.contains(&client)) {
            match hops.next().and_then(|hop| hop.trim().parse::<IpAddr>().ok()) {
                Some(hop) => client = hop.to_canonical(),
                None => break,
            }
        }
        SourceId(self.key.hash_one(network(client)))
    }
}

/// An IPv4 address, or the /64 that one IPv6 customer has to themselves.
fn network(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V4(_) => client,
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & !(u128::MAX >> 64)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(sources: &Sources, peer: &str, forwarded: &[&str]) -> SourceId {
        sources.of(SocketAddr::new(peer.parse().expect("address"), 1), forwarded.iter().copied())
    }

    #[test]
    fn a_source_is_an_address_or_a_64() {
        let sources = Sources::new(Vec::new());
        assert_eq!(of(&sources, "2001:db8::1", &[]), of(&sources, "2001:db8::ffff:0:0:2", &[]));
        assert_ne!(of(&sources, "2001:db8::1", &[]), of(&sources, "2001:db8:0:1::1", &[]));
        assert_ne!(of(&sources, "192.0.2.1", &[]), of(&sources, "192.0.2.2", &[]));
        assert_eq!(of(&sources, "192.0.2.1", &[]), of(&sources, "::ffff:192.0.2.1", &[]));
    }

    #[test]
    fn only_trusted_proxies_speak_for_others() {
        let sources = Sources::new(vec!["10.0.0.0/8".parse().expect("net")]);
        let client = of(&sources, "192.0.2.1", &[]);
        assert_eq!(of(&sources, "10.0.0.1", &["192.0.2.1"]), client);
        assert_eq!(of(&sources, "10.0.0.1", &["198.51.100.9, 192.0.2.1", "10.0.0.2"]), client);
        assert_ne!(of(&sources, "203.0.113.5", &["192.0.2.1"]), client, "a stranger's header");
        assert_eq!(of(&sources, "10.0.0.1", &["nonsense"]), of(&sources, "10.0.0.1", &[]));
    }
}
