//! The pages and endpoints: the link, health, the web app.

use super::core::Core;
use super::link::Link;
use super::listen::Peer;
use super::source::Sources;
use super::websocket;
use crate::web;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use harbor_proto::node::SourceId;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use tokio::net::TcpStream;

/// What requests are answered with.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) core: Arc<Core>,
    pub(crate) sources: Arc<Sources>,
    pub(crate) web_app: bool,
    /// Reached by https, so browsers may be told never to try anything else.
    pub(crate) https: bool,
}

/// Everything on the public port.
pub(crate) fn public(app: App) -> Router {
    Router::new()
        .route("/link", get(open_link))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .fallback(page)
        .layer(middleware::from_fn_with_state(app.clone(), common_headers))
        .with_state(app)
}

/// The process runs.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// The node takes packets; otherwise 503 with the reason.
pub(crate) async fn readyz(State(app): State<App>) -> Response {
    let why = if app.core.draining() {
        "stopping\n"
    } else if !app.core.health().ok() {
        "the database cannot be written\n"
    } else {
        return "ready\n".into_response();
    };
    (StatusCode::SERVICE_UNAVAILABLE, why).into_response()
}

async fn page(State(app): State<App>, request: Request) -> Response {
    if app.web_app {
        web::answer(request.method(), request.uri().path(), request.headers())
    } else {
        not_found()
    }
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "not found\n").into_response()
}

async fn common_headers(State(app): State<App>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    if app.https {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    response
}

/// `GET /link`: the WebSocket handshake. Any web page may open one: nothing here goes by cookies.
async fn open_link(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    method: Method,
    mut request: Request,
) -> Response {
    let Some(key) = upgrade_key(&method, request.headers()) else {
        let mut refused = (StatusCode::UPGRADE_REQUIRED, "this is the WebSocket endpoint of a Harbor Node\n")
            .into_response();
        refused.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        refused.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        return refused;
    };
    if app.core.draining() {
        return (StatusCode::SERVICE_UNAVAILABLE, "the node is stopping\n").into_response();
    }
    let Some(upgrade) = request.extensions_mut().remove::<OnUpgrade>() else {
        return (StatusCode::UPGRADE_REQUIRED, "this connection cannot become a WebSocket\n").into_response();
    };
    let forwarded = request.headers().get_all("x-forwarded-for").into_iter();
    let forwarded: Vec<&str> = forwarded.filter_map(|value| value.to_str().ok()).collect();
    let source = app.sources.of(peer.address, forwarded.into_iter());
    tokio::spawn(start_link(app.core, upgrade, source, peer));
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(&websocket::accept_key(key.as_bytes())) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}

/// The client's key when the request is a WebSocket handshake of version 13.
fn upgrade_key(method: &Method, headers: &HeaderMap) -> Option<HeaderValue> {
    let has = |name: header::HeaderName, token: &str| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.split(',').any(|item| item.trim().eq_ignore_ascii_case(token)))
    };
    let asked = method == Method::GET
        && has(header::CONNECTION, "upgrade")
        && has(header::UPGRADE, "websocket")
        && has(header::SEC_WEBSOCKET_VERSION, "13");
    headers.get(header::SEC_WEBSOCKET_KEY).filter(|_| asked).cloned()
}

/// Starts the link when the handshake is through. The link is a task of its own, and what only the handshake
/// needed, its read buffer above all, ends here.
async fn start_link(core: Arc<Core>, upgrade: OnUpgrade, source: SourceId, peer: Peer) {
    let Ok(upgraded) = upgrade.await else { return };
    let Ok(parts) = upgraded.downcast::<TokioIo<TcpStream>>() else { return };
    match core.connect(source) {
        Ok((conn, outbox)) => {
            let early = parts.read_buf;
            tokio::spawn(Link::new(parts.io.into_inner(), core, conn, outbox, peer.place, &early));
        }
        Err(e) => tracing::error!(error = %e, "the system gives no random bytes; a connection was refused"),
    }
}
