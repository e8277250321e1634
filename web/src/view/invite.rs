//! A link for one person, also to be pointed a camera at.

use super::dialog::Dialog;
use super::icon::{self, icon};
use crate::model::{app, browser, when};
use crate::text;
use harbor_wasm::proto::id::TopicUid;
use leptos::prelude::*;
use leptos::task::spawn_local;
use qrcodegen::{QrCode, QrCodeEcc};
use std::fmt::Write;
use std::time::Duration;

/// How the making of a link went.
#[derive(Clone, PartialEq, Eq)]
enum Link {
    Making,
    Made { url: String, expires_ms: u64 },
    Failed(&'static str),
}

#[component]
pub(crate) fn Invite(uid: TopicUid, close: impl Fn() + Copy + Send + Sync + 'static) -> impl IntoView {
    let app = app();
    let link = RwSignal::new(Link::Making);
    let make = move || {
        link.set(Link::Making);
        spawn_local(async move {
            let made = match app.invite(uid).await {
                Ok(invite) => Link::Made {
                    url: format!("{}/#/join/{}", browser::origin(), invite.code.as_str()),
                    expires_ms: invite.expires.0,
                },
                Err(sentence) => Link::Failed(sentence),
            };
            let _ = link.try_set(made);
        });
    };
    make();
    view! {
        <Dialog heading=text::invite::HEADING close>
            {move || match link.get() {
                Link::Making => view! { <p role="status">{text::invite::MAKING}</p> }.into_any(),
                Link::Failed(sentence) => view! {
                    <p class="error" role="alert" data-testid="error-text">{sentence}</p>
                    <div class="actions">
                        <button class="button" type="button" on:click=move |_| make()>{text::join::RETRY}</button>
                    </div>
                }.into_any(),
                Link::Made { url, expires_ms } => view! {
                    <Made url expires_ms/>
                    <div class="actions">
                        <button class="button quiet" type="button" data-testid="invite-again" on:click=move |_| make()>
                            {text::invite::AGAIN}
                        </button>
                    </div>
                }.into_any(),
            }}
        </Dialog>
    }
}

#[component]
fn Made(url: String, expires_ms: u64) -> impl IntoView {
    let app = app();
    let until = when::full(browser::local(expires_ms), browser::local(app.now.get_untracked()));
    let copied = RwSignal::new(false);
    let trouble = RwSignal::new(None);
    let url = StoredValue::new(url);
    let copy = move |_| {
        spawn_local(async move {
            let done = browser::copy(&url.get_value()).await;
            let _ = copied.try_set(done);
            let _ = trouble.try_set((!done).then_some(text::invite::COPY_FAILED));
            set_timeout(
                move || {
                    let _ = copied.try_set(false);
                },
                Duration::from_secs(3),
            );
        });
    };
    let share = move |_| {
        let sharing = browser::share(text::invite::SHARE_TEXT, &url.get_value());
        spawn_local(async move {
            // Closing the share sheet counts as a failure, which needs no words.
            let _ = sharing.await;
        });
    };
    let select =
        move |event: leptos::ev::FocusEvent| event_target::<web_sys::HtmlInputElement>(&event).select();
    view! {
        <p>{text::invite::once(&until)}" "{text::invite::SECRET}</p>
        <div class="field">
            <label for="invite-link">{text::invite::LINK}</label>
            <input
                id="invite-link"
                class="link"
                type="text"
                readonly
                data-testid="invite-link"
                prop:value=url.get_value()
                on:focus=select
            />
            {move || trouble.get().map(|t| view! { <p class="error" role="alert" data-testid="error-text">{t}</p> })}
        </div>
        <div class="actions start">
            <button class="button primary" type="button" data-testid="copy-button" on:click=copy>
                {move || if copied.get() { icon(icon::CHECK).into_any() } else { icon(icon::COPY).into_any() }}
                <span role="status">{move || if copied.get() { text::invite::COPIED } else { text::invite::COPY }}</span>
            </button>
            {browser::can_share().then(|| view! {
                <button class="button" type="button" on:click=share>{icon(icon::SHARE)}{text::invite::SHARE}</button>
            })}
        </div>
        {qr(&url.get_value()).map(|(side, path)| view! {
            <figure class="qr">
                <svg viewBox=format!("0 0 {side} {side}") role="img" aria-label=text::invite::QR shape-rendering="crispEdges">
                    <path d=path></path>
                </svg>
                <figcaption>{text::invite::QR_HINT}</figcaption>
            </figure>
        })}
    }
}

/// The side of the code in modules, with its quiet margin, and its dark modules as SVG path data.
fn qr(content: &str) -> Option<(i32, String)> {
    const MARGIN: i32 = 3;
    let code = QrCode::encode_text(content, QrCodeEcc::Medium).ok()?;
    let mut path = String::new();
    for y in 0..code.size() {
        let mut x = 0;
        while x < code.size() {
            let run = (x..code.size()).take_while(|x| code.get_module(*x, y)).count() as i32;
            if run > 0 {
                let _ = write!(path, "M{} {}h{run}v1h-{run}z", x + MARGIN, y + MARGIN);
            }
            x += run + 1;
        }
    }
    Some((code.size() + 2 * MARGIN, path))
}

#[cfg(test)]
mod tests {
    use super::qr;

    #[test]
    fn a_link_of_usual_length_fits() {
        let link = format!("https://harbor.example/#/join/{}", "A".repeat(160));
        let (side, path) = qr(&link).expect("fits");
        assert!((40..90).contains(&side));
        assert!(path.starts_with("M3 3h7v1h-7z"), "the finder pattern's upper edge: {path:.20}");
    }
}
