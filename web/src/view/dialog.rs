//! A window within the page: the browser's own `<dialog>`, which keeps the focus and closes by Escape.

use super::icon::{self, icon};
use crate::text;
use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::JsCast;

/// Shows `children` while it is mounted; calls `close` when the person is done with it.
#[component]
pub(crate) fn Dialog(
    #[prop(into)] heading: Oco<'static, str>,
    close: impl Fn() + Copy + Send + Sync + 'static,
    children: Children,
) -> impl IntoView {
    let label = heading.clone();
    let dialog = NodeRef::<html::Dialog>::new();
    Effect::new(move || {
        if let Some(dialog) = dialog.get()
            && !dialog.open()
        {
            let _ = dialog.show_modal();
        }
    });
    // A click beside the window has the dialog itself as its target: what is inside covers the rest of it.
    let beside = move |event: leptos::ev::MouseEvent| {
        let target = event.target().and_then(|t| t.dyn_into::<web_sys::HtmlDialogElement>().ok());
        if target.is_some() {
            close();
        }
    };
    view! {
        <dialog class="dialog" node_ref=dialog aria-label=label on:close=move |_| close() on:mousedown=beside>
            <div class="dialog-body">
                <header class="dialog-head">
                    <h2>{heading}</h2>
                    <button class="icon-button" type="button" aria-label=text::CLOSE on:click=move |_| close()>
                        {icon(icon::CLOSE)}
                    </button>
                </header>
                {children()}
            </div>
        </dialog>
    }
}

/// Asks before something that cannot be taken back.
#[component]
pub(crate) fn Confirm(
    #[prop(into)] question: Oco<'static, str>,
    hint: &'static str,
    yes: &'static str,
    testid: &'static str,
    confirm: impl Fn() + Copy + Send + Sync + 'static,
    close: impl Fn() + Copy + Send + Sync + 'static,
) -> impl IntoView {
    view! {
        <Dialog heading=question close>
            <p>{hint}</p>
            <div class="actions">
                <button class="button quiet" type="button" autofocus on:click=move |_| close()>{text::CANCEL}</button>
                <button class="button danger" type="button" data-testid=testid on:click=move |_| confirm()>
                    {yes}
                </button>
            </div>
        </Dialog>
    }
}
