//! How messages travel, as a badge with an icon and a word.

use super::icon::{self, Icon, icon};
use crate::text;
use harbor_wasm::proto::endpoint::{Member, Path};
use leptos::prelude::*;

/// The value of `data-path`.
pub(crate) fn name(path: Path) -> &'static str {
    match path {
        Path::Direct => "direct",
        Path::Relayed => "relayed",
        Path::Stored => "stored",
    }
}

pub(crate) fn symbol(path: Path) -> Icon {
    match path {
        Path::Direct => icon::DIRECT,
        Path::Relayed => icon::RELAYED,
        Path::Stored => icon::STORED,
    }
}

pub(crate) fn word(path: Path) -> &'static str {
    match path {
        Path::Direct => text::path::DIRECT,
        Path::Relayed => text::path::RELAYED,
        Path::Stored => text::path::STORED,
    }
}

/// What the word means for a message that has travelled.
pub(crate) fn was(path: Path) -> &'static str {
    match path {
        Path::Direct => text::path::DIRECT_WAS,
        Path::Relayed => text::path::RELAYED_WAS,
        Path::Stored => text::path::STORED_WAS,
    }
}

fn now(path: Path) -> &'static str {
    match path {
        Path::Direct => text::path::DIRECT_NOW,
        Path::Relayed => text::path::RELAYED_NOW,
        Path::Stored => text::path::STORED_NOW,
    }
}

/// How a message to one member would travel now.
pub(crate) fn member(path: Path) -> impl IntoView {
    badge(path, word(path).into(), "member-path")
}

/// How a message to all `members` would travel now: the best way, and for how many when not for all.
pub(crate) fn topic(members: &[Member]) -> Option<impl IntoView + use<>> {
    let others: Vec<Path> = members.iter().filter(|m| !m.me).map(|m| m.path).collect();
    let best = [Path::Direct, Path::Relayed, Path::Stored].into_iter().find(|p| others.contains(p))?;
    let count = others.iter().filter(|p| **p == best).count();
    let words = if count == others.len() {
        word(best).into()
    } else {
        format!("{} {count}/{}", word(best), others.len())
    };
    Some(badge(best, words, "path-badge"))
}

fn badge(path: Path, words: String, testid: &'static str) -> impl IntoView {
    view! {
        <span class=format!("badge {}", name(path)) title=now(path) data-testid=testid data-path=name(path)>
            {icon(symbol(path))}
            <span>{words}</span>
        </span>
    }
}
