//! A round picture made of a name and an id.

use super::icon;
use crate::model::look;
use crate::model::title_of;
use harbor_wasm::proto::endpoint::{Topic, TopicKind};
use leptos::prelude::*;

/// Initials on the colour of `id`. Says nothing to a screen reader: the name stands beside it.
pub(crate) fn person(name: &str, id: &[u8; 32]) -> impl IntoView + use<> {
    let initials = look::initials(name);
    let class = format!("avatar hue-{}", look::hue(id));
    view! {
        <span class=class aria-hidden="true">
            {if initials.is_empty() { icon::icon(icon::CHAT).into_any() } else { initials.into_any() }}
        </span>
    }
}

/// The other person of a DM, or the room.
pub(crate) fn topic(topic: &Topic) -> AnyView {
    let title = title_of(topic);
    match topic.kind {
        TopicKind::Dm => {
            let other = topic.members.iter().find(|m| !m.me);
            match other {
                Some(other) => person(&title, other.id.as_bytes()).into_any(),
                None if !topic.title.as_str().is_empty() => person(&title, topic.uid.as_bytes()).into_any(),
                None => {
                    view! { <span class="avatar nobody" aria-hidden="true">{icon::icon(icon::CHAT)}</span> }
                        .into_any()
                }
            }
        }
        TopicKind::Room => {
            let class = format!("avatar room hue-{}", look::hue(topic.uid.as_bytes()));
            let initials = look::initials(&title);
            view! {
                <span class=class aria-hidden="true">
                    {if initials.is_empty() { icon::icon(icon::ROOM).into_any() } else { initials.into_any() }}
                </span>
            }
            .into_any()
        }
    }
}
