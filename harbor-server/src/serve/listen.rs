//! Sockets: opening them, taking connections, ending them.

use crate::failure::Failure;
use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower_service::Service;

/// How long a client may take to send a request's head, which is also how long an idle one is kept.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// Largest head of a request, bytes.
const HEAD_BYTES: usize = 16 << 10;
/// Files the process needs for itself besides its connections.
const OWN_FILES: u64 = 64;

/// One of the connections this process may hold, until the last copy is dropped.
pub(crate) type Place = Arc<OwnedSemaphorePermit>;

/// Who is at the other end, and the place that connection takes.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) place: Place,
}

/// Connections this process may hold, from the limit on open files, which is raised as far as allowed.
pub(crate) fn places() -> Arc<Semaphore> {
    let files = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(1024);
    let places = usize::try_from(files.saturating_sub(OWN_FILES)).unwrap_or(usize::MAX);
    Arc::new(Semaphore::new(places.clamp(16, Semaphore::MAX_PERMITS)))
}

/// Opens every address. `optional` skips those that this machine does not have, `how` says what sets them.
///
/// # Errors
/// The operator's: an address that is no address, taken, or not allowed.
pub(crate) fn open(addresses: &[String], optional: bool, how: &str) -> Result<Vec<TcpListener>, Failure> {
    let mut listeners = Vec::new();
    for address in addresses {
        let resolved = address.to_socket_addrs().map_err(|e| {
            Failure::config(format!(
                "{address} is no address to listen on: {e}. Write it like 127.0.0.1:8080 or [::]:8080."
            ))
        })?;
        for at in resolved {
            match bind_any(at) {
                Ok(listener) => listeners.push(listener),
                Err(e) if optional && absent(&e) && !listeners.is_empty() => {}
                Err(e) => return Err(refused(at, &e, how)),
            }
        }
    }
    Ok(listeners)
}

fn absent(e: &io::Error) -> bool {
    use io::ErrorKind::{AddrNotAvailable, Unsupported};
    // EAFNOSUPPORT: a kernel without IPv6.
    matches!(e.kind(), AddrNotAvailable | Unsupported) || e.raw_os_error() == Some(97)
}

/// `[::]` means every address there is, also on a machine that has no IPv6.
fn bind_any(at: SocketAddr) -> io::Result<TcpListener> {
    match bind(at) {
        Err(e) if at.ip() == Ipv6Addr::UNSPECIFIED && absent(&e) => {
            bind(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), at.port()))
        }
        result => result,
    }
}

fn bind(at: SocketAddr) -> io::Result<TcpListener> {
    let domain = socket2::Domain::for_address(at);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, Some(socket2::Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if at.is_ipv6() {
        // One socket for both families where the wildcard is asked for, whatever the system's default is.
        socket.set_only_v6(!at.ip().is_unspecified())?;
    }
    socket.bind(&at.into())?;
    socket.listen(4096)?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket.into())
}

fn refused(at: SocketAddr, e: &io::Error, how: &str) -> Failure {
    let port = at.port();
    match e.kind() {
        io::ErrorKind::AddrInUse => Failure::port(format!(
            "{at} is in use by another program. Stop it, or choose another port with {how}{}.",
            SocketAddr::new(at.ip(), port.wrapping_add(1).max(1024))
        )),
        io::ErrorKind::PermissionDenied => Failure::port(format!(
            "port {port} may not be used by this user. Choose one above 1023 with {how}ADDRESS, or let systemd \
             give the right (AmbientCapabilities=CAP_NET_BIND_SERVICE)."
        )),
        _ => Failure::port(format!(
            "{at} cannot be listened on: {e}. Choose another address with {how}ADDRESS."
        )),
    }
}

/// Takes connections until `stop` turns true.
pub(crate) async fn accept(
    listener: TcpListener,
    router: Router,
    places: Arc<Semaphore>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let Ok(place) = place else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        match accepted {
            Ok((stream, address)) => {
                let peer = Peer { address, place: Arc::new(place) };
                tokio::spawn(serve(stream, peer, router.clone(), stop.clone()));
            }
            Err(e) if gone_already(&e) => {}
            Err(e) => {
                // Out of files or memory: nothing to be done but to let some connections end.
                tracing::warn!(error = %e, "connections cannot be taken at the moment");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn gone_already(e: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(e.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn serve(stream: TcpStream, peer: Peer, router: Router, mut stop: watch::Receiver<bool>) {
    prepare(&stream);
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer.clone());
        router.clone().call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stop.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// Small messages leave at once, and a peer that vanished is noticed by the system.
fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let keepalive = socket2::TcpKeepalive::new().with_time(Duration::from_secs(60));
    let _ = socket2::SockRef::from(stream).set_tcp_keepalive(&keepalive);
}
