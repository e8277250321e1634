//! The database key and its wrapping.
//!
//! Spec: docs/spec/at-rest.md §3, §4.

use super::disk::{Durability, StoreError, Transaction};
use super::{META, RECORDS, bytes, database_name};
use crate::{browser, reflect};
use harbor_proto::crypto::Secret;
use js_sys::{Object, Uint8Array};
use wasm_bindgen::JsValue;
use web_sys::IdbDatabase;

const KEY: &str = "key";
const AAD: &[u8] = b"harbor.v1 database key";

/// The key of this database; makes one for a new database. `remembered`: there was an identity once.
pub(super) async fn database_key(db: &IdbDatabase, remembered: bool) -> Result<Secret, StoreError> {
    if let Some(wrapped) = read(db, remembered).await? {
        return unwrap(&wrapped).await;
    }
    let fresh = Secret(browser::random());
    let wrapped = wrap(&fresh).await.map_err(|_| StoreError::Failed)?;
    match offer(db, &wrapped).await? {
        None => Ok(fresh),
        Some(others) => unwrap(&others).await,
    }
}

/// The wrapped key, if the database has one; lost when there are records without one.
async fn read(db: &IdbDatabase, remembered: bool) -> Result<Option<JsValue>, StoreError> {
    let tx = Transaction::begin(db, &[META, RECORDS], None)?;
    let wrapped = tx.store(META)?.get(JsValue::from(KEY))?;
    let records = tx.store(RECORDS)?.count(None)?;
    let (wrapped, records) = (wrapped.await?, records.await?);
    let known = wrapped.is_some();
    if !known && (records > 0 || remembered) { Err(StoreError::Lost) } else { Ok(wrapped) }
}

/// Stores `wrapped` unless another tab was first; then that tab's.
async fn offer(db: &IdbDatabase, wrapped: &JsValue) -> Result<Option<JsValue>, StoreError> {
    let tx = Transaction::begin(db, &[META], Some(Durability::Strict))?;
    let meta = tx.store(META)?;
    let first = meta.get(JsValue::from(KEY))?.await?;
    if first.is_none() {
        meta.put(wrapped, Some(&KEY.into()))?;
    }
    tx.commit().await?;
    Ok(first)
}

fn subtle() -> JsValue {
    reflect::get(&reflect::global("crypto"), "subtle")
}

fn algorithm(iv: &Uint8Array) -> Object {
    reflect::object(&[("name", &"AES-GCM".into()), ("iv", iv), ("additionalData", &Uint8Array::from(AAD))])
}

async fn wrap(key: &Secret) -> Result<JsValue, JsValue> {
    let usages = js_sys::Array::of2(&"encrypt".into(), &"decrypt".into());
    let kind = reflect::object(&[("name", &"AES-GCM".into()), ("length", &256.into())]);
    let wrap = reflect::call_async(&subtle(), "generateKey", &[&kind, &false.into(), &usages]).await?;
    let iv = Uint8Array::from(&browser::random::<12>()[..]);
    let plain = Uint8Array::from(&key.0[..]);
    let sealed = reflect::call_async(&subtle(), "encrypt", &[&algorithm(&iv), &wrap, &plain]).await;
    plain.fill(0, 0, plain.length());
    Ok(reflect::object(&[("wrap", &wrap), ("iv", &iv), ("sealed", &Uint8Array::new(&sealed?))]).into())
}

/// Anything wrong with the record means that the key is lost.
async fn unwrap(record: &JsValue) -> Result<Secret, StoreError> {
    let iv = Uint8Array::new(&reflect::get(record, "iv"));
    let (wrap, sealed) = (reflect::get(record, "wrap"), reflect::get(record, "sealed"));
    let plain = reflect::call_async(&subtle(), "decrypt", &[&algorithm(&iv), &wrap, &sealed])
        .await
        .map_err(|_| StoreError::Lost)?;
    let key = bytes(&plain).try_into().map_err(|_| StoreError::Lost)?;
    Uint8Array::new(&plain).fill(0, 0, 32);
    Ok(Secret(key))
}

/// `localStorage`; absent where the person forbids it, and then nothing is remembered.
fn memory() -> JsValue {
    reflect::global("localStorage")
}

/// An identity was kept under this namespace.
pub(super) fn remembered(namespace: &str) -> bool {
    reflect::call(&memory(), "getItem", &[&database_name(namespace).into()]).is_ok_and(|v| v.is_string())
}

pub(super) fn remember(namespace: &str) {
    let _ = reflect::call(&memory(), "setItem", &[&database_name(namespace).into(), &"1".into()]);
}

pub(super) fn forget(namespace: &str) {
    let _ = reflect::call(&memory(), "removeItem", &[&database_name(namespace).into()]);
}
