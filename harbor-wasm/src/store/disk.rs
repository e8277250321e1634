//! IndexedDB transactions: what `idb` leaves out is durability and the reason of an abort.

use super::{MESSAGES, META, RECORDS, STATES, bytes};
use crate::reflect;
use idb::{DatabaseEvent, Factory, KeyRange, ObjectStore, ObjectStoreParams, TransactionMode};
use js_sys::{Array, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{IdbDatabase, IdbTransaction};

const VERSION: u32 = 1;

/// Why storage did not do it. All the environment's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreError {
    /// The disk or the origin's share of it is full.
    Quota,
    /// The database, its key or a part of it is gone, or it was made by a later version.
    Lost,
    /// Another tab owns the records now.
    Superseded,
    /// No IndexedDB here, or it fails.
    Failed,
}

impl StoreError {
    fn of(error: &JsValue) -> Self {
        match reflect::error_name(error).as_str() {
            "QuotaExceededError" => Self::Quota,
            "InvalidStateError" | "NotFoundError" | "VersionError" => Self::Lost,
            _ => Self::Failed,
        }
    }
}

impl From<idb::Error> for StoreError {
    fn from(error: idb::Error) -> Self {
        use idb::Error as E;
        match error {
            E::DomException(e) => Self::of(&e),
            E::TransactionOpenFailed(e)
            | E::ObjectStoreNotFound(e)
            | E::UpdateFailed(e)
            | E::AddFailed(e) => Self::of(&e),
            _ => Self::Failed,
        }
    }
}

/// Opens a database; a new one gets its stores.
pub(super) async fn open(name: &str) -> Result<IdbDatabase, StoreError> {
    let mut request = Factory::new()?.open(name, Some(VERSION))?;
    request.on_upgrade_needed(|event| {
        let Ok(db) = event.database() else { return };
        for store in [RECORDS, MESSAGES, STATES, META] {
            // A failure aborts the upgrade, which fails the open request.
            let _ = db.create_object_store(store, ObjectStoreParams::new());
        }
    });
    Ok(request.await?.into())
}

/// Deletes a database once its connections are closed.
pub(super) async fn delete(name: &str) -> Result<(), StoreError> {
    Ok(Factory::new()?.delete(name)?.await?)
}

/// How sure a write must be when it is reported complete.
#[derive(Clone, Copy, Debug)]
pub(super) enum Durability {
    /// Survives power loss.
    Strict,
    /// Survives a crash of the browser.
    Relaxed,
}

/// A running transaction. Requests made without waiting are carried out in order.
pub(super) struct Transaction {
    idb: idb::Transaction,
    raw: IdbTransaction,
}

impl Transaction {
    /// Begins one that writes with the durability given, or only reads.
    pub(super) fn begin(
        db: &IdbDatabase,
        stores: &[&str],
        write: Option<Durability>,
    ) -> Result<Self, StoreError> {
        let names: Array = stores.iter().map(|name| JsValue::from(*name)).collect();
        let mode = JsValue::from(if write.is_some() {
            TransactionMode::ReadWrite
        } else {
            TransactionMode::ReadOnly
        });
        let durability = match write {
            Some(Durability::Strict) => "strict",
            Some(Durability::Relaxed) => "relaxed",
            None => "default",
        };
        let options = reflect::object(&[("durability", &durability.into())]);
        let raw: IdbTransaction = reflect::call(db, "transaction", &[&names, &mode, &options])
            .map_err(|e| StoreError::of(&e))?
            .unchecked_into();
        Ok(Self { idb: raw.clone().into(), raw })
    }

    pub(super) fn store(&self, name: &str) -> Result<ObjectStore, StoreError> {
        Ok(self.idb.object_store(name)?)
    }

    /// At most `limit` records of `range` in order of their keys.
    pub(super) async fn page(
        &self,
        store: &str,
        range: KeyRange,
        limit: u32,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError> {
        let store = self.store(store)?;
        let keys = store.get_all_keys(Some(range.clone().into()), Some(limit))?;
        let values = store.get_all(Some(range.into()), Some(limit))?;
        let (keys, values) = (keys.await?, values.await?);
        Ok(keys.iter().zip(&values).map(|(key, value)| (bytes(key), bytes(value))).collect())
    }

    /// One record.
    pub(super) async fn get(&self, store: &str, at: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.store(store)?.get(key(at))?.await?.as_ref().map(bytes))
    }

    /// Waits until everything asked for is on disk.
    pub(super) async fn commit(self) -> Result<(), StoreError> {
        // Saves a turn of the event loop; a browser without it commits by itself.
        let _ = reflect::call(&self.raw, "commit", &[]);
        match self.idb.await {
            Ok(result) if result.is_committed() => Ok(()),
            _ => Err(self.raw.error().map_or(StoreError::Failed, |e| StoreError::of(&e))),
        }
    }

    pub(super) fn abort(self) {
        let _ = self.raw.abort();
    }
}

/// A binary key.
pub(super) fn key(bytes: &[u8]) -> JsValue {
    Uint8Array::from(bytes).into()
}

/// Every key that comes after `key`.
pub(super) fn after(key_bytes: &[u8]) -> Result<KeyRange, StoreError> {
    Ok(KeyRange::lower_bound(&key(key_bytes), Some(true))?)
}

/// Every key from `from`, perhaps without itself, to just before `to`.
pub(super) fn between(from: &[u8], from_open: bool, to: &[u8]) -> Result<KeyRange, StoreError> {
    Ok(KeyRange::bound(&key(from), &key(to), Some(from_open), Some(true))?)
}

/// Every key that starts with `prefix`.
pub(super) fn prefix(prefix: &[u8]) -> Result<KeyRange, StoreError> {
    between(prefix, false, &prefix_end(prefix))
}

/// The first key after all that start with `prefix`, whose first byte is a table and so never 255.
pub(super) fn prefix_end(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while end.last() == Some(&u8::MAX) {
        end.pop();
    }
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end
}
