//! The Harbor chat: a page that runs the protocol in the browser.

mod model;
mod text;
mod view;

fn main() {
    // The same wasm is loaded by a Worker that solves stamps; there is no page there.
    if web_sys::window().is_none() {
        return;
    }
    model::browser::report_panics();
    view::mount();
}
