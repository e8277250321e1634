//! Log lines on standard error. They name no client, no mailbox and no address: there is nothing in them to
//! hand over.

use crate::config::{LogFormat, Observability};
use crate::failure::Failure;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Starts logging for the whole process.
///
/// # Errors
/// The operator's: the filter cannot be read.
pub(crate) fn start(settings: &Observability) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&settings.log).map_err(|e| {
        Failure::config(format!(
            "observability.log: \"{}\" is no log filter ({e}); try info or debug",
            settings.log
        ))
    })?;
    // The database library logs statements and, when slow, their text; failures are logged where they are met.
    let filter = filter.add_directive("sqlx=off".parse().expect("a literal"));
    let terminal = std::io::stderr().is_terminal();
    let json = match settings.log_format {
        LogFormat::Auto => !terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let lines =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    if json {
        lines.json().flatten_event(true).init()
    } else {
        lines.with_ansi(terminal).init()
    }
    Ok(())
}
