//! Running a node: from an opened configuration to the last connection's end.

mod core;
mod http;
mod link;
mod listen;
mod metrics;
mod outbox;
mod source;
mod websocket;

use crate::config::Config;
use crate::data_dir::DataDir;
use crate::failure::Failure;
use crate::store::{Opened, Store};
use axum::Router;
use core::Core;
use http::App;
use source::Sources;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

/// What clients are asked to wait before they come back to a node that stops.
const COME_BACK_MS: u32 = 1000;

/// Runs the node until it is told to stop.
///
/// # Errors
/// The operator's or the system's, each with its exit code.
pub(crate) async fn run(mut config: Config, dev: bool, temporary: bool) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
    let listeners = listen::open(&config.server.bind, dev, "--bind ")?;
    let admin = match config.observability.admin_bind.as_str() {
        "" => Vec::new(),
        address => listen::open(&[address.to_owned()], false, "-O observability.admin_bind=")?,
    };
    let data = DataDir::open(&mut config, temporary)?;
    let opened = Opened::open(&data.database, config.mailbox_quota()).await?;
    let (log, health) = (opened.log, opened.health());
    let (store, pending) = opened.split();
    let core = Core::new(config.node(data.id, log), store.clone(), health);
    core.tell_clock();
    let writer = pending.start(Arc::clone(&core) as _);
    tokio::spawn(Arc::clone(&core).run());

    let url = public_url(&config, dev, &listeners);
    let app = App {
        core: Arc::clone(&core),
        sources: Arc::new(Sources::new(config.server.trusted_proxies.iter().map(|net| net.0).collect())),
        web_app: config.server.web_app,
        https: url.starts_with("https://"),
    };
    let admin_at = admin.first().and_then(|listener| listener.local_addr().ok());
    let (stop, stopped) = watch::channel(false);
    let places = listen::places();
    serve_on(listeners, &http::public(app.clone()), &places, &stopped);
    serve_on(admin, &metrics::admin(app), &places, &stopped);
    announce(&url, admin_at);

    signals.next().await;
    tracing::info!("stopping; a second signal ends it at once");
    let _ = stop.send(true);
    let grace = config.server.shutdown_grace.0;
    tokio::select! {
        ended = tokio::time::timeout(grace, finish(&core, &store, writer)) => {
            if ended.is_err() {
                tracing::warn!("some clients did not leave in time");
            }
        }
        () = signals.next() => tracing::warn!("stopped at once"),
    }
    // Whatever was acknowledged is on disk by now; a commit under way either is or was not acknowledged.
    drop(data);
    Ok(())
}

async fn finish(core: &Core, store: &Store, writer: JoinHandle<()>) {
    core.drain(COME_BACK_MS).await;
    store.stop();
    let _ = writer.await;
}

fn serve_on(
    listeners: Vec<TcpListener>,
    router: &Router,
    places: &Arc<Semaphore>,
    stopped: &watch::Receiver<bool>,
) {
    for listener in listeners {
        tokio::spawn(listen::accept(listener, router.clone(), Arc::clone(places), stopped.clone()));
    }
}

/// The configured address, or one that works on this machine.
fn public_url(config: &Config, dev: bool, listeners: &[TcpListener]) -> String {
    if !config.server.public_url.is_empty() {
        return config.server.public_url.trim_end_matches('/').to_owned();
    }
    match listeners.first().and_then(|listener| listener.local_addr().ok()) {
        Some(at) if dev || at.ip().is_unspecified() || at.ip().is_loopback() => {
            format!("http://localhost:{}", at.port())
        }
        Some(at) => format!("http://{at}"),
        None => String::new(),
    }
}

/// For a person, or for a program that started this one and asked for port 0.
fn announce(url: &str, admin: Option<SocketAddr>) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "Harbor is ready at {url}");
    if let Some(at) = admin {
        let _ = writeln!(out, "Metrics are at http://{at}/metrics");
    }
    let _ = out.flush();
    tracing::info!(url, version = crate::cli::VERSION, "ready");
}

/// SIGTERM and SIGINT, caught from before the first thing that must not be cut short.
struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let catch = |kind| {
            signal(kind).map_err(|e| Failure::other(format!("signals cannot be caught on this system: {e}")))
        };
        Ok(Self { term: catch(SignalKind::terminate())?, int: catch(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}
