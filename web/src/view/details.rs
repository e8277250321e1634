//! Who is in a conversation, how to leave it, and how an admin takes somebody out.

use super::avatar;
use super::dialog::{Confirm, Dialog};
use super::export::Export;
use super::icon::{self, icon};
use super::path;
use super::person::Person;
use crate::model::{app, browser, name_or, when};
use crate::text;
use harbor_wasm::proto::endpoint::{Command, Invite, Member, Role, Topic, TopicKind, TopicState};
use harbor_wasm::proto::id::{EndpointId, TopicUid};
use leptos::prelude::*;
use leptos::task::spawn_local;
use std::sync::Arc;

/// What is asked about.
#[derive(Clone, PartialEq, Eq)]
enum Asking {
    Leave,
    Forget,
    About { who: EndpointId, name: String },
    Remove { who: EndpointId, name: String },
}

#[component]
pub(crate) fn Details(
    uid: TopicUid,
    topic: Memo<Option<Arc<Topic>>>,
    close: impl Fn() + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let app = app();
    let asking = RwSignal::new(None);
    let active = move || topic.with(|t| t.as_deref().is_some_and(|t| t.state == TopicState::Active));
    let leave = move || {
        asking.set(None);
        close();
        app.perform(Command::Leave { topic: uid });
    };
    let forget = move || {
        spawn_local(async move {
            if let Err(sentence) = app.forget(uid).await {
                app.trouble.set(Some(sentence));
            }
        });
    };
    let last_admin = move || {
        topic.with_untracked(|t| {
            let others = || t.iter().flat_map(|t| t.members.iter()).filter(|m| !m.me);
            let room = t.as_deref().is_some_and(|t| t.admin && t.kind == TopicKind::Room);
            room && others().next().is_some() && !others().any(|m| m.role.is_admin())
        })
    };
    let stay = move || asking.set(None);
    let remove = move |who| {
        asking.set(None);
        app.perform(Command::Remove { topic: uid, who });
    };
    view! {
        <Dialog heading=text::chat::DETAILS close>
            <h3>{text::details::MEMBERS}</h3>
            <ul class="members" data-testid="members">
                {move || topic.get().map(|t| t.members.iter().map(|m| member(m, asking)).collect_view())}
            </ul>
            {move || topic.get().filter(|t| !t.invites.is_empty()).map(|t| view! {
                <h3>{text::details::INVITES}</h3>
                <ul class="members" data-testid="open-invites">
                    {t.invites.iter().map(|i| invite(i, uid)).collect_view()}
                </ul>
            })}
            <Export topic/>
            <div class="ways-out">
                <Show when=active>
                    <button class="button" type="button" data-testid="leave-button" on:click=move |_| asking.set(Some(Asking::Leave))>
                        {text::details::LEAVE}
                    </button>
                </Show>
                <button class="button danger" type="button" data-testid="forget-button" on:click=move |_| asking.set(Some(Asking::Forget))>
                    {text::details::FORGET}
                </button>
            </div>
            {move || asking.get().map(|what| match what {
                Asking::Leave => view! {
                    <Confirm question=text::details::LEAVE_ASK hint=if last_admin() { text::details::LEAVE_LAST_ADMIN } else { text::details::LEAVE_HINT } yes=text::details::LEAVE_YES testid="leave-yes" confirm=leave close=stay/>
                }.into_any(),
                Asking::Forget => view! {
                    <Confirm question=text::details::FORGET_ASK hint=text::details::FORGET_HINT yes=text::details::FORGET_YES testid="forget-yes" confirm=forget close=stay/>
                }.into_any(),
                Asking::About { who, name } => {
                    let remove = { let name = name.clone(); move || asking.set(Some(Asking::Remove { who, name: name.clone() })) };
                    view! { <Person who name topic remove close=stay/> }.into_any()
                }
                Asking::Remove { who, name } => view! {
                    <Confirm question=text::details::remove_ask(&name) hint=text::details::REMOVE_HINT yes=text::details::REMOVE testid="remove-yes" confirm=move || remove(who) close=stay/>
                }.into_any(),
            })}
        </Dialog>
    }
}

/// A link that may still let somebody in.
fn invite(invite: &Invite, topic: TopicUid) -> impl IntoView + use<> {
    let app = app();
    let until = when::full(browser::local(invite.expires.0), browser::local(app.now.get_untracked()));
    let code = invite.code.clone();
    let take_back = move |_| app.perform(Command::RevokeInvite { topic, code: code.clone() });
    view! {
        <li>
            <span class="member-name">{text::details::invite_until(&until)}</span>
            <button class="button quiet" type="button" data-testid="take-back" aria-label=text::details::take_back(&until) on:click=take_back>
                {text::details::TAKE_BACK}
            </button>
        </li>
    }
}

fn member(member: &Member, asking: RwSignal<Option<Asking>>) -> impl IntoView + use<> {
    let name = name_or(&member.name, text::SOMEONE);
    let who = member.id;
    let ask = {
        let name = name.clone();
        move |_| asking.set(Some(Asking::About { who, name: name.clone() }))
    };
    let verified = member
        .verified
        .then(|| view! { <span class="tag good" title=text::person::VERIFIED>{icon(icon::CHECK)}</span> });
    let rank = match member.role {
        Role::Owner => Some(text::details::OWNER),
        Role::Admin => Some(text::details::ADMIN),
        Role::Member => None,
    };
    view! {
        <li data-testid="member">
            {avatar::person(&name, member.id.as_bytes())}
            {if member.me {
                view! { <span class="member-name" dir="auto">{name}</span> }.into_any()
            } else {
                let label = text::details::about(&name);
                view! {
                    <button class="member-name" type="button" dir="auto" aria-label=label data-testid="about-member" on:click=ask>{name}</button>
                }
                .into_any()
            }}
            {verified}
            {rank.map(|rank| view! { <span class="tag">{rank}</span> })}
            {if member.me {
                view! { <span class="tag">{text::YOU}</span> }.into_any()
            } else {
                path::member(member.path).into_any()
            }}
        </li>
    }
}
