//! Another member: is nobody between us, and must they go?

use super::dialog::Dialog;
use super::icon::{self, icon};
use crate::model::app;
use crate::text;
use harbor_wasm::proto::endpoint::{Command, Role, Topic, TopicKind};
use harbor_wasm::proto::id::EndpointId;
use harbor_wasm::proto::identity::safety_number;
use leptos::prelude::*;
use std::sync::Arc;

#[component]
pub(crate) fn Person(
    who: EndpointId,
    name: String,
    topic: Memo<Option<Arc<Topic>>>,
    remove: impl Fn() + Send + Sync + 'static,
    close: impl Fn() + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let app = app();
    let verified = Memo::new(move |_| {
        topic.with(|t| t.as_deref().is_some_and(|t| t.members.iter().any(|m| m.id == who && m.verified)))
    });
    let digits = move || app.profile.with(|me| me.as_ref().map(|me| safety_number(&me.id, &who)));
    let role = Memo::new(move |_| {
        topic.with(|t| t.as_deref()?.members.iter().find(|m| m.id == who).map(|m| m.role))
    });
    // Whom an admin of a room may dismiss: everybody else but its owner.
    let below = Memo::new(move |_| {
        let admin = topic.with(|t| t.as_deref().is_some_and(|t| t.admin && t.kind == TopicKind::Room));
        role.get().filter(|role| admin && *role != Role::Owner)
    });
    let change = move |_| {
        let topic = topic.with_untracked(|t| t.as_deref().map(|t| t.uid));
        if let (Some(topic), Some(now)) = (topic, below.get_untracked()) {
            let role = if now == Role::Admin { Role::Member } else { Role::Admin };
            app.perform(Command::SetRole { topic, who, role });
        }
    };
    let remove = StoredValue::new(remove);
    let mark = move |_| app.perform(Command::SetVerified { who, verified: !verified.get_untracked() });
    view! {
        <Dialog heading=name.clone() close>
            <h3>{text::person::SAFETY}</h3>
            <p class="digits" data-testid="safety-number">{move || digits().map(groups)}</p>
            <p class="hint">{text::person::compare(&name)}</p>
            <p role="status" data-testid="verified">
                {move || verified.get().then(|| view! { <span class="tag good">{icon(icon::CHECK)}{text::person::VERIFIED}</span> })}
            </p>
            <div class="actions">
                {move || below.get().map(|role| view! {
                    <button class="button danger" type="button" data-testid="remove-button" on:click=move |_| remove.with_value(|remove| remove())>
                        {text::details::REMOVE}
                    </button>
                    <button class="button" type="button" data-testid="role-button" on:click=change>
                        {if role == Role::Admin { text::details::DISMISS } else { text::details::MAKE_ADMIN }}
                    </button>
                })}
                <button class="button" type="button" data-testid="verify-button" on:click=mark>
                    {move || if verified.get() { text::person::UNVERIFY } else { text::person::VERIFY }}
                </button>
            </div>
        </Dialog>
    }
}

/// Twelve groups of five, as they are read out.
fn groups(digits: String) -> Vec<impl IntoView> {
    digits
        .as_bytes()
        .chunks(5)
        .map(|five| view! { <span>{String::from_utf8_lossy(five).into_owned()}</span> " " })
        .collect()
}
