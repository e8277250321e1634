//! The command line.

use crate::config::{Layers, LogFormat};
use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// What `-V` says: version, git commit when known, and the protocol spoken on links.
pub(crate) const VERSION: &str =
    concat!(env!("CARGO_PKG_VERSION"), env!("HARBOR_GIT_SUFFIX"), " (protocol 1)");
const _: () = assert!(harbor_proto::wire::link::LINK_VERSION == 1, "say the new version in VERSION");

const AFTER_HELP: &str = "\
Settings: flags > HARBOR_* variables (HARBOR_STORAGE__MAX_TTL=7d) > files > defaults
Signals:  SIGTERM, SIGINT tell clients to come back later, then exit; a second one exits at once
Exit:     0 ok · 2 bad usage or configuration · 3 database · 4 port in use · 1 anything else";

/// `harbor`: a Harbor Node.
#[derive(Debug, Parser)]
#[command(
    name = "harbor",
    version = VERSION,
    about = "A Harbor Node: keeps encrypted packets for people who are away, passes signals between those\nwho are there, and serves the web app. It cannot read what it keeps.",
    override_usage = "harbor --serve [OPTIONS]        run the node\n       harbor <COMMAND> [OPTIONS]",
    after_help = AFTER_HELP,
    disable_help_subcommand = true,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// Run the node
    #[arg(long)]
    pub(crate) serve: bool,

    /// For trying it out: http://localhost:8080, this machine only, data in a temporary folder unless
    /// --data-dir names one
    #[arg(long, global = true)]
    pub(crate) dev: bool,

    /// Address to listen on, repeatable; port 0 takes a free one [env: HARBOR_SERVER__BIND]
    /// [default: [::]:8080]
    #[arg(long, value_name = "ADDR", global = true)]
    pub(crate) bind: Vec<String>,

    /// Where the database and the node's key live [env: HARBOR_SERVER__DATA_DIR]
    /// [default: /var/lib/harbor]
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) data_dir: Option<PathBuf>,

    /// Bytes of packets to keep; same as -O storage.quota_total=SIZE [default: 20 GiB]
    #[arg(long, value_name = "SIZE", global = true)]
    pub(crate) max_storage: Option<String>,

    /// The address people type, as seen from outside [env: HARBOR_SERVER__PUBLIC_URL]
    #[arg(long, value_name = "URL", global = true)]
    pub(crate) public_url: Option<String>,

    /// Configuration file, repeatable, later wins [default: /etc/harbor/harbor.toml]
    #[arg(short, long, value_name = "FILE", global = true, env = "HARBOR_CONFIG", hide_env_values = true)]
    pub(crate) config: Vec<PathBuf>,

    /// Set one key, repeatable, like -O storage.max_ttl=7d
    #[arg(short = 'O', long = "set", value_name = "KEY=VALUE", global = true)]
    pub(crate) set: Vec<String>,

    /// What to log: error, warn, info, debug, trace, or target=level,...
    #[arg(long, value_name = "FILTER", global = true, env = "HARBOR_LOG", hide_env_values = true)]
    pub(crate) log: Option<String>,

    /// How log lines look; auto is text on a terminal and JSON otherwise
    #[arg(long, value_name = "FORMAT", global = true)]
    pub(crate) log_format: Option<LogFormat>,
}

/// Everything that is not running the node.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Look at the configuration
    Config {
        #[command(subcommand)]
        action: ConfigAction,
    },
    /// Exit 0 when the node of this configuration is up and ready
    Health,
}

/// What to do with the configuration.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum ConfigAction {
    /// Print the effective values, after files, variables and flags
    Show,
    /// Exit 0 when the configuration is valid, 2 with a sentence otherwise
    Check,
    /// Print every key with its default
    Example,
}

impl Cli {
    /// The sources of the configuration in their order.
    pub(crate) fn layers(&self) -> Layers {
        let one = |value: &Option<String>| value.clone().map(|value| vec![value]);
        let path =
            |value: &Option<PathBuf>| value.as_ref().map(|path| vec![path.to_string_lossy().into_owned()]);
        let format = self.log_format.map(|format| {
            vec![match format {
                LogFormat::Auto => "auto".to_owned(),
                LogFormat::Text => "text".to_owned(),
                LogFormat::Json => "json".to_owned(),
            }]
        });
        let bind = (!self.bind.is_empty()).then(|| self.bind.clone());
        let flags = [
            ("--bind", "server.bind", bind),
            ("--data-dir", "server.data_dir", path(&self.data_dir)),
            ("--max-storage", "storage.quota_total", one(&self.max_storage)),
            ("--public-url", "server.public_url", one(&self.public_url)),
            ("--log", "observability.log", one(&self.log)),
            ("--log-format", "observability.log_format", format),
        ];
        Layers {
            dev: self.dev,
            files: self.config.clone(),
            env: std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .filter(|(name, _)| name.starts_with("HARBOR_"))
                .collect(),
            sets: self.set.clone(),
            flags: flags.into_iter().filter_map(|(flag, key, values)| Some((flag, key, values?))).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_become_keys() {
        let cli =
            Cli::parse_from(["harbor", "--serve", "--dev", "--bind", "[::1]:0", "--bind", "127.0.0.1:0"]);
        let layers = cli.layers();
        assert!(cli.serve && layers.dev);
        assert_eq!(layers.flags[0], ("--bind", "server.bind", vec!["[::1]:0".into(), "127.0.0.1:0".into()]));
    }
}
