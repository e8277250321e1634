//! What the ports answer besides links.

mod support;

use support::{Node, get, raw};

#[test]
fn health_metrics_and_pages_are_where_they_belong() {
    let dir = tempfile::tempdir().expect("temp");
    let node = Node::start(dir.path(), &[]);
    assert_eq!(node.get("/healthz"), (200, "ok\n".into()));
    assert_eq!(node.get("/readyz"), (200, "ready\n".into()));
    assert_eq!(get(&node.admin, "/readyz").0, 200);
    let (status, metrics) = get(&node.admin, "/metrics");
    assert_eq!(status, 200);
    for line in
        ["harbor_stored_total 0", "harbor_refused_total{reason=\"bad_signature\"} 0", "harbor_open_links 0"]
    {
        assert!(metrics.lines().any(|l| l == line), "{line} is missing:\n{metrics}");
    }
    assert_ne!(node.get("/metrics").0, 200, "never on the public port");
    assert_ne!(node.get("/counters").0, 200);
}

#[test]
fn pages_carry_the_policy_and_nothing_frames_them() {
    let dir = tempfile::tempdir().expect("temp");
    let node = Node::start(dir.path(), &[]);
    let answer =
        raw(&node.address, "GET / HTTP/1.1\r\nHost: harbor\r\nConnection: close\r\n\r\n").to_lowercase();
    for header in [
        "content-security-policy: default-src 'none'; script-src 'self' 'wasm-unsafe-eval'",
        "frame-ancestors 'none'",
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
        "content-type: text/html; charset=utf-8",
    ] {
        assert!(answer.contains(header), "{header} is missing:\n{answer}");
    }
    assert_eq!(node.get("/no-such-file.js").0, 404);
}

#[test]
fn a_handshake_that_is_none_is_refused() {
    let dir = tempfile::tempdir().expect("temp");
    let node = Node::start(dir.path(), &[]);
    assert_eq!(node.get("/link").0, 426);
    let handshake = |version: &str, upgrade: &str| {
        raw(
            &node.address,
            &format!(
                "GET /link HTTP/1.1\r\nHost: harbor\r\nConnection: {upgrade}\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Version: {version}\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            ),
        )
    };
    assert!(handshake("8", "Upgrade, close").contains("sec-websocket-version: 13"));
    assert!(handshake("13", "close").starts_with("HTTP/1.1 426"));
    let long = format!("GET /{} HTTP/1.1\r\nHost: harbor\r\n\r\n", "x".repeat(100_000));
    assert!(
        raw(&node.address, &long).starts_with("HTTP/1.1 414")
            || raw(&node.address, &long).starts_with("HTTP/1.1 431")
    );
}

#[test]
fn without_the_web_app_there_are_no_pages() {
    let dir = tempfile::tempdir().expect("temp");
    let node = Node::start(dir.path(), &["server.web_app=false"]);
    assert_eq!(node.get("/"), (404, "not found\n".into()));
    assert_eq!(node.get("/readyz").0, 200);
}
