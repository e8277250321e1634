//! Counts for operators and tests, on a listener of their own. No label names anybody.

use super::core::Core;
use super::http::{App, healthz, readyz};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use harbor_proto::node::{Counters, Load};
use harbor_proto::wire::link::Refusal;
use std::fmt::Write;
use std::sync::atomic::Ordering::Relaxed;

/// The admin listener's pages.
pub(crate) fn admin(app: App) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/counters", get(counters))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .with_state(app)
}

/// Name, whether it only grows, what it counts, value.
type Sample = (&'static str, bool, &'static str, u64);

fn samples(core: &Core, c: &Counters, load: &Load) -> Vec<Sample> {
    let health = core.health();
    vec![
        ("stored", true, "Packets accepted by store", c.stored),
        ("stored_new", true, "Of those, packets that were not there before", c.stored_new),
        ("passed", true, "Packets accepted by pass", c.passed),
        ("stored_messages", true, "Of stored_new, message packets", c.stored_messages),
        ("passed_messages", true, "Of passed, message packets", c.passed_messages),
        ("pass_delivered", true, "Deliveries of passed packets", c.pass_delivered),
        ("pass_dropped", true, "Passed packets not handed to a watcher whose queue was full", c.pass_dropped),
        ("watches", true, "Watches accepted", c.watches),
        ("pulls", true, "Pulls accepted", c.pulls),
        ("items", true, "Packets sent for watches and pulls", c.items),
        ("lagged", true, "Watches cut off because their reader was slow", c.lagged),
        ("links", true, "Links opened", c.links),
        ("disconnects", true, "Links closed by the node for a reason of its own", c.disconnects),
        ("commits", true, "Commits that stored packets", health.commits.load(Relaxed)),
        ("committed", true, "Packets answered by those commits", health.committed.load(Relaxed)),
        ("commit_failures", true, "Transactions that failed", health.failures.load(Relaxed)),
        ("expired", true, "Packets deleted because they had expired", health.expired.load(Relaxed)),
        ("open_links", false, "Links open now", load.links as u64),
        ("open_watches", false, "Watches open now", load.watches as u64),
        ("queued_bytes", false, "Bytes queued for all links", load.queued_bytes as u64),
        ("stored_bytes", false, "Bytes of packets on disk", health.bytes.load(Relaxed)),
        (
            "waiting_bytes",
            false,
            "Bytes of packets waiting for the writer",
            health.waiting.load(Relaxed) as u64,
        ),
        ("ready", false, "1 while the node takes packets", u64::from(health.ok() && !core.draining())),
    ]
}

async fn metrics(State(app): State<App>) -> Response {
    let (counters, load) = app.core.counts();
    let mut text = String::new();
    for (name, grows, what, value) in samples(&app.core, &counters, &load) {
        let (suffix, kind) = if grows { ("_total", "counter") } else { ("", "gauge") };
        let _ = writeln!(text, "# HELP harbor_{name}{suffix} {what}.");
        let _ = writeln!(text, "# TYPE harbor_{name}{suffix} {kind}");
        let _ = writeln!(text, "harbor_{name}{suffix} {value}");
    }
    let _ = writeln!(text, "# HELP harbor_refused_total Requests refused, by reason.");
    let _ = writeln!(text, "# TYPE harbor_refused_total counter");
    for (code, count) in Refusal::CODES.iter().zip(counters.refused) {
        let _ = writeln!(text, "harbor_refused_total{{reason=\"{code}\"}} {count}");
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

async fn counters(State(app): State<App>) -> Json<serde_json::Value> {
    let (counters, load) = app.core.counts();
    let mut object: serde_json::Map<String, serde_json::Value> = samples(&app.core, &counters, &load)
        .into_iter()
        .map(|(name, _, _, value)| (name.to_owned(), value.into()))
        .collect();
    let refused: serde_json::Map<String, serde_json::Value> = Refusal::CODES
        .iter()
        .zip(counters.refused)
        .map(|(code, count)| ((*code).to_owned(), count.into()))
        .collect();
    object.insert("refused".into(), refused.into());
    Json(object.into())
}
