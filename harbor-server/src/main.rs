//! `harbor`: a Harbor Node.

mod cli;
mod config;
mod data_dir;
mod failure;
mod health;
mod logs;
mod serve;
mod store;
mod web;

use clap::Parser;
use cli::{Cli, Command, ConfigAction};
use config::Config;
use failure::Failure;
use std::io::Write;
use std::process::ExitCode;

/// Small and fast for many small objects that live long, which is what idle connections are.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(code) => code,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "harbor: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(cli: &Cli) -> Result<ExitCode, Failure> {
    match &cli.command {
        Some(Command::Config { action: ConfigAction::Example }) => show(&Config::default()),
        Some(Command::Config { action: ConfigAction::Show }) => show(&config::load(&cli.layers())?),
        Some(Command::Config { action: ConfigAction::Check }) => {
            config::load(&cli.layers())?;
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Health) => health::ask(&config::load(&cli.layers())?),
        None if cli.serve => serve(cli),
        None => {
            Err(Failure::config("nothing to do. Run the node with `harbor --serve`, or see `harbor --help`."))
        }
    }
}

fn show(config: &Config) -> Result<ExitCode, Failure> {
    let text = toml::to_string(config)
        .map_err(|e| Failure::other(format!("the configuration cannot be shown: {e}")))?;
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

fn serve(cli: &Cli) -> Result<ExitCode, Failure> {
    let config = config::load(&cli.layers())?;
    logs::start(&config.observability)?;
    // A developer's node forgets everything unless told where to keep it.
    let anywhere =
        config.server.data_dir == config::Server::default().data_dir && config.database.url.is_empty();
    let temporary = cli.dev && anywhere;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::other(format!("the system gives no threads: {e}")))?;
    let result = runtime.block_on(serve::run(config, cli.dev, temporary));
    // Connections that did not leave in time end with the process.
    runtime.shutdown_background();
    result.map(|()| ExitCode::SUCCESS)
}
