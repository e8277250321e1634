//! Calls by name, for the few browser interfaces that web-sys has only behind its unstable switch or would
//! cost a feature each.

use js_sys::{Array, Function, Object, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

/// `of[name]`, `undefined` when there is no such thing.
pub(crate) fn get(of: &JsValue, name: &str) -> JsValue {
    Reflect::get(of, &name.into()).unwrap_or(JsValue::UNDEFINED)
}

/// `of[name]` of the global object.
pub(crate) fn global(name: &str) -> JsValue {
    get(&js_sys::global(), name)
}

/// A plain object with these fields.
pub(crate) fn object(fields: &[(&str, &JsValue)]) -> Object {
    let out = Object::new();
    for (name, value) in fields {
        Reflect::set(&out, &(*name).into(), value).expect("a fresh object takes every field");
    }
    out
}

/// `of.name(...args)`.
pub(crate) fn call(of: &JsValue, name: &str, args: &[&JsValue]) -> Result<JsValue, JsValue> {
    let function: Function = get(of, name).dyn_into()?;
    function.apply(of, &args.iter().copied().collect::<Array>())
}

/// `await of.name(...args)`.
pub(crate) async fn call_async(of: &JsValue, name: &str, args: &[&JsValue]) -> Result<JsValue, JsValue> {
    let promise: Promise = call(of, name, args)?.dyn_into()?;
    JsFuture::from(promise).await
}

/// `new global[name](...args)`.
pub(crate) fn construct(name: &str, args: &[&JsValue]) -> Result<JsValue, JsValue> {
    let class: Function = global(name).dyn_into()?;
    Reflect::construct(&class, &args.iter().copied().collect::<Array>())
}

/// The `name` of a DOMException or Error.
pub(crate) fn error_name(error: &JsValue) -> String {
    get(error, "name").as_string().unwrap_or_default()
}
