//! The browser around the page: the few things that neither Leptos nor the client does.

use super::when::Local;
use js_sys::{Array, Date, Function, Promise, Reflect};
use std::future::Future;
use std::time::Duration;
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, BlobPropertyBag, HtmlAnchorElement, Url};

/// How the names of all that this page keeps begin, in `localStorage` and among the caches of `sw.js`.
const OURS: &str = "harbor-";

fn window() -> web_sys::Window {
    web_sys::window().expect("main returned where there is no window")
}

pub(crate) fn document() -> web_sys::Document {
    window().document().expect("a window has a document")
}

/// Shows the element `#crash` when the page panics. The message is not logged: it may quote what somebody wrote.
pub(crate) fn report_panics() {
    std::panic::set_hook(Box::new(|_| {
        if let Some(element) = document().get_element_by_id("crash") {
            let _ = element.remove_attribute("hidden");
        }
    }));
}

/// Removes what `index.html` shows until the app is there.
pub(crate) fn remove_splash() {
    if let Some(splash) = document().get_element_by_id("splash") {
        splash.remove();
    }
}

pub(crate) fn now_ms() -> u64 {
    Date::now() as u64
}

/// `unix_ms` on the clock of this device's place, summer time included.
pub(crate) fn local(unix_ms: u64) -> Local {
    let offset = Date::new(&JsValue::from_f64(unix_ms as f64)).get_timezone_offset();
    Local::new(unix_ms, if offset.is_finite() { offset as i32 } else { 0 })
}

/// 16 random bytes, by which a message sent from here finds its row.
pub(crate) fn random_ref() -> [u8; 16] {
    let mut bytes = [0; 16];
    if let Ok(crypto) = window().crypto() {
        let _ = crypto.get_random_values_with_u8_array(&mut bytes);
    }
    bytes
}

/// The `inset` of something at most `w` by `h` px beside `element`: below and to the right, if there is room.
pub(crate) fn beside(element: &web_sys::Element, w: i32, h: i32) -> String {
    let size = |value: Result<JsValue, JsValue>| value.ok().and_then(|v| v.as_f64()).unwrap_or(0.0) as i32;
    let (width, height) = (size(window().inner_width()), size(window().inner_height()));
    let rect = element.get_bounding_client_rect();
    let (left, top, bottom) = (rect.left() as i32, rect.top() as i32, rect.bottom() as i32);
    let left = left.min(width - w).max(8);
    if bottom + h > height {
        format!("auto auto {}px {left}px", height - top + 4)
    } else {
        format!("{}px auto auto {left}px", bottom + 4)
    }
}

/// Brings the first element that `selector` names to the middle of its scroller.
pub(crate) fn scroll_to(selector: &str) {
    if let Ok(Some(element)) = document().query_selector(selector) {
        let options = js_sys::Object::new();
        let _ = Reflect::set(&options, &"block".into(), &"center".into());
        let scroll =
            Reflect::get(&element, &"scrollIntoView".into()).ok().and_then(|f| f.dyn_into::<Function>().ok());
        if let Some(scroll) = scroll {
            let _ = scroll.call1(&element, &options);
        }
    }
}

pub(crate) fn is_visible() -> bool {
    document().visibility_state() == web_sys::VisibilityState::Visible
}

/// What the browser believes; false is certain, true is not.
pub(crate) fn is_online() -> bool {
    window().navigator().on_line()
}

pub(crate) fn hash() -> String {
    window().location().hash().unwrap_or_default()
}

pub(crate) fn origin() -> String {
    window().location().origin().unwrap_or_default()
}

/// Goes to `hash` with a new entry in the browser's history.
pub(crate) fn push_hash(hash: &str) {
    let _ = window().location().set_hash(hash);
}

/// Rewrites the address without a trace of what it was.
pub(crate) fn replace_hash(hash: &str) {
    if let Ok(history) = window().history() {
        let mark = history.state().unwrap_or_default();
        let _ = history.replace_state_with_url(&mark, "", Some(hash));
    }
}

/// The number that [`number_entry`] gave to this entry of the browser's history; `None` when it is new.
pub(crate) fn entry_number() -> Option<u32> {
    window().history().ok()?.state().ok()?.as_f64().map(|n| n as u32)
}

/// Numbers this entry of the browser's history, also over a reload.
pub(crate) fn number_entry(n: u32) {
    if let Ok(history) = window().history() {
        let _ = history.replace_state_with_url(&JsValue::from_f64(f64::from(n)), "", None);
    }
}

pub(crate) fn back() {
    if let Ok(history) = window().history() {
        let _ = history.back();
    }
}

/// Calls `f` for every `event` of the window, for as long as the page lives.
pub(crate) fn on_window(event: &str, f: impl Fn() + 'static) {
    let closure = Closure::<dyn Fn()>::new(f);
    let _ = window().add_event_listener_with_callback(event, closure.as_ref().unchecked_ref());
    closure.forget();
}

/// Remembers a choice about how the page looks; private windows may refuse, which is fine.
pub(crate) fn remember(key: &str, value: &str) {
    if let Ok(Some(storage)) = window().local_storage() {
        let _ = storage.set_item(key, value);
    }
}

pub(crate) fn recall(key: &str) -> Option<String> {
    window().local_storage().ok().flatten()?.get_item(key).ok().flatten()
}

/// Forgets what the page keeps beside the database: what was chosen about its looks, and its own files. The files say
/// nothing about a person, and without a network the page could not open again: then they stay.
pub(crate) async fn forget_all() {
    if let Ok(Some(storage)) = window().local_storage() {
        let count = storage.length().unwrap_or(0);
        let keys: Vec<String> = (0..count).filter_map(|at| storage.key(at).ok().flatten()).collect();
        for key in keys.iter().filter(|key| key.starts_with(OURS)) {
            let _ = storage.remove_item(key);
        }
    }
    let Ok(caches) = window().caches() else { return };
    if is_online()
        && let Ok(names) = JsFuture::from(caches.keys()).await
    {
        for name in Array::from(&names).iter().filter_map(|name| name.as_string()) {
            if name.starts_with(OURS) {
                let _ = JsFuture::from(caches.delete(&name)).await;
            }
        }
    }
}

/// `text`, kept by the browser.
pub(crate) fn blob(text: &str) -> Option<Blob> {
    Blob::new_with_str_sequence(&Array::of1(&text.into())).ok()
}

/// Saves `parts` as one file, as a click on a download link does.
pub(crate) fn save(name: &str, kind: &str, parts: &[Blob]) -> Option<()> {
    let bag = BlobPropertyBag::new();
    bag.set_type(kind);
    let whole = Blob::new_with_blob_sequence_and_options(&parts.iter().collect::<Array>(), &bag).ok()?;
    let url = Url::create_object_url_with_blob(&whole).ok()?;
    let link: HtmlAnchorElement = document().create_element("a").ok()?.dyn_into().ok()?;
    link.set_href(&url);
    link.set_download(name);
    link.click();
    // Some browsers read the file only after the click has returned.
    leptos::prelude::set_timeout(move || drop(Url::revoke_object_url(&url)), Duration::from_secs(60));
    Some(())
}

/// Opens the page as if for the first time.
pub(crate) fn start_anew() {
    let _ = window().location().replace("/");
}

/// Sets or removes `data-<name>` of the root element.
pub(crate) fn set_root(name: &str, value: Option<&str>) {
    if let Some(root) = document().document_element() {
        let name = format!("data-{name}");
        let _ = value.map_or_else(|| root.remove_attribute(&name), |value| root.set_attribute(&name, value));
    }
}

/// Asks the browser not to erase the history when space gets short. It may say no, or ask the person.
pub(crate) fn ask_to_persist() {
    let navigator = window().navigator();
    if Reflect::has(&navigator, &"storage".into()) == Ok(true) {
        let _ = navigator.storage().persist();
    }
}

/// Copies `text`; false when the browser would not.
pub(crate) async fn copy(text: &str) -> bool {
    let clipboard = Reflect::get(&window().navigator(), &"clipboard".into()).unwrap_or_default();
    call(&clipboard, "writeText", &text.into()).await
}

/// Whether the device has a share sheet.
pub(crate) fn can_share() -> bool {
    Reflect::get(&window().navigator(), &"share".into()).is_ok_and(|f| f.is_function())
}

/// Opens the device's share sheet with `text` and `url`.
pub(crate) fn share(text: &str, url: &str) -> impl Future<Output = bool> + use<> {
    let what = js_sys::Object::new();
    let _ = Reflect::set(&what, &"text".into(), &text.into());
    let _ = Reflect::set(&what, &"url".into(), &url.into());
    let navigator = window().navigator();
    async move { call(&navigator, "share", &what).await }
}

/// Calls a method that gives a promise and may be missing; true when the promise was kept.
async fn call(object: &JsValue, method: &str, argument: &JsValue) -> bool {
    let Ok(f) = Reflect::get(object, &method.into()).and_then(JsCast::dyn_into::<Function>) else {
        return false;
    };
    match f.call1(object, argument).and_then(JsCast::dyn_into::<Promise>) {
        Ok(promise) => JsFuture::from(promise).await.is_ok(),
        Err(_) => false,
    }
}

/// Loads the page anew.
pub(crate) fn reload() {
    let _ = window().location().reload();
}

/// Whether the device points with something fine, as a mouse: then a keyboard is at hand too, and putting the focus
/// into a field does not bring one up over half the screen.
pub(crate) fn has_keyboard() -> bool {
    window()
        .match_media("(hover: hover) and (pointer: fine)")
        .ok()
        .flatten()
        .is_some_and(|query| query.matches())
}
