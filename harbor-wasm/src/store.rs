//! The device's records in IndexedDB, sealed.
//!
//! Spec: docs/spec/at-rest.md.

mod disk;
mod history;
mod keys;

use crate::browser;
use crate::reflect;
use disk::{Durability, Transaction};
use harbor_proto::at_rest;
use harbor_proto::crypto::Secret;
use harbor_proto::endpoint::{Table, Write};
use harbor_proto::wire::Wire;
use js_sys::Uint8Array;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::IdbDatabase;

pub(crate) use disk::StoreError;

/// Table, key, value.
pub(crate) type Record = (Table, Vec<u8>, Vec<u8>);

const RECORDS: &str = "records";
const MESSAGES: &str = "messages";
const STATES: &str = "states";
const META: &str = "meta";
const GENERATION: &str = "generation";
/// Records read in one request while loading.
const LOAD_CHUNK: u32 = 1000;

/// What is called when somebody erases the database, in whatever tab.
type WhenErased = Rc<RefCell<Option<Box<dyn Fn()>>>>;

/// One namespace's database, open.
pub(crate) struct Store {
    db: IdbDatabase,
    database_key: Secret,
    namespace: String,
    /// The browser closed the database, or another tab erases it.
    gone: Rc<Cell<bool>>,
    when_erased: WhenErased,
    remembered: Cell<bool>,
    _closed: [browser::On; 2],
}

impl Store {
    /// Opens the namespace's database, or makes it.
    pub(crate) async fn open(namespace: &str) -> Result<Self, StoreError> {
        let db = disk::open(&database_name(namespace)).await?;
        let database_key = match keys::database_key(&db, keys::remembered(namespace)).await {
            Ok(key) => key,
            Err(why) => {
                db.close();
                return Err(why);
            }
        };
        let gone = Rc::new(Cell::new(false));
        let lost = {
            let gone = gone.clone();
            browser::On::new(&db, "close", move |_| gone.set(true))
        };
        let when_erased = WhenErased::default();
        let changed = {
            let (gone, when_erased, db) = (gone.clone(), when_erased.clone(), db.clone());
            browser::On::new(&db.clone(), "versionchange", move |event| {
                gone.set(true);
                db.close();
                // No new version: it is to be deleted.
                if reflect::get(&event, "newVersion").is_null()
                    && let Some(f) = &*when_erased.borrow()
                {
                    f();
                }
            })
        };
        let remembered = Cell::new(keys::remembered(namespace));
        let namespace = namespace.to_owned();
        Ok(Self { db, database_key, namespace, gone, when_erased, remembered, _closed: [lost, changed] })
    }

    /// Removes the namespace's database and the memory of it. Other tabs' connections close.
    pub(crate) async fn erase(namespace: &str) -> Result<(), StoreError> {
        disk::delete(&database_name(namespace)).await?;
        keys::forget(namespace);
        Ok(())
    }

    /// Calls `f` when somebody erases the database, in this tab or another.
    pub(crate) fn when_erased(&self, f: impl Fn() + 'static) {
        *self.when_erased.borrow_mut() = Some(Box::new(f));
    }

    /// The database is closed: the browser did it, or it is being erased.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone.get()
    }

    /// Makes the caller the owner: writes under an older generation fail from now on.
    pub(crate) async fn claim(&self) -> Result<u64, StoreError> {
        let tx = self.begin(&[META], Some(Durability::Strict))?;
        let meta = tx.store(META)?;
        let next = generation(&meta.get(JsValue::from(GENERATION))?.await?) + 1;
        #[expect(clippy::cast_precision_loss, reason = "counts tabs' take-overs, far below 2^53")]
        meta.put(&JsValue::from(next as f64), Some(&GENERATION.into()))?;
        tx.commit().await?;
        Ok(next)
    }

    /// Every record the endpoint starts from.
    pub(crate) async fn load(&self) -> Result<Vec<Record>, StoreError> {
        let mut out = Vec::new();
        let mut after = Vec::new();
        loop {
            let tx = self.begin(&[RECORDS], None)?;
            let range = disk::after(&after)?;
            let page = tx.page(RECORDS, range, LOAD_CHUNK).await?;
            let Some((last, _)) = page.last() else { return Ok(out) };
            after.clone_from(last);
            for (key, sealed) in page {
                let (&table, rest) = key.split_first().ok_or(StoreError::Lost)?;
                let table = Table::from_bytes(&[table]).map_err(|_| StoreError::Lost)?;
                let value = self.unseal(table, rest, &sealed)?;
                out.push((table, rest.to_vec(), value));
            }
        }
    }

    /// Carries out `writes` in order in one transaction, if `generation` still owns the records.
    pub(crate) async fn write(
        &self,
        generation_now: u64,
        writes: &[Write],
        strict: bool,
    ) -> Result<(), StoreError> {
        let sealed = self.seal_all(writes);
        let durability = if strict { Durability::Strict } else { Durability::Relaxed };
        let tx = self.begin(&scope(writes), Some(durability))?;
        let owner = generation(&tx.store(META)?.get(JsValue::from(GENERATION))?.await?);
        if owner != generation_now {
            tx.abort();
            return Err(StoreError::Superseded);
        }
        for (write, sealed) in writes.iter().zip(sealed) {
            apply(&tx, write, &sealed)?;
        }
        tx.commit().await?;
        self.remember(writes);
        Ok(())
    }

    /// Seals what is put; deletions have nothing to seal.
    fn seal_all(&self, writes: &[Write]) -> Vec<Vec<u8>> {
        const NONCE: usize = harbor_proto::crypto::aead::NONCE;
        let mut nonces = vec![0; NONCE * writes.len()];
        browser::entropy(&mut nonces);
        let seal = |(write, nonce): (&Write, &[u8])| match write {
            Write::Put { table, key, value } => {
                let nonce = nonce.try_into().expect("chunks of a nonce's size");
                at_rest::seal(&self.database_key, nonce, number(*table), key, value)
            }
            Write::Delete { .. } | Write::DeletePrefix { .. } => Vec::new(),
        };
        writes.iter().zip(nonces.chunks_exact(NONCE)).map(seal).collect()
    }

    fn unseal(&self, table: Table, key: &[u8], sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        at_rest::open(&self.database_key, number(table), key, sealed).map_err(|_| StoreError::Lost)
    }

    fn begin(&self, stores: &[&str], write: Option<Durability>) -> Result<Transaction, StoreError> {
        if self.gone.get() {
            return Err(StoreError::Lost);
        }
        Transaction::begin(&self.db, stores, write)
    }

    /// Notes outside the database that an identity is kept here, see docs/spec/at-rest.md §4.
    fn remember(&self, writes: &[Write]) {
        let identity = |write: &Write| matches!(write, Write::Put { table: Table::Meta, .. });
        if !self.remembered.get() && writes.iter().any(identity) {
            keys::remember(&self.namespace);
            self.remembered.set(true);
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.db.close();
    }
}

fn database_name(namespace: &str) -> String {
    format!("harbor-{namespace}")
}

fn store_of(table: Table) -> &'static str {
    match table {
        Table::Message | Table::Place => MESSAGES,
        Table::State => STATES,
        _ => RECORDS,
    }
}

/// The stores a transaction for `writes` has to name.
fn scope(writes: &[Write]) -> Vec<&'static str> {
    let mut out = vec![META];
    for write in writes {
        let (Write::Put { table, .. } | Write::Delete { table, .. } | Write::DeletePrefix { table, .. }) =
            write;
        if !out.contains(&store_of(*table)) {
            out.push(store_of(*table));
        }
    }
    out
}

fn apply(tx: &Transaction, write: &Write, sealed: &[u8]) -> Result<(), StoreError> {
    match write {
        Write::Put { table, key, .. } => {
            let key = place(*table, key);
            tx.store(store_of(*table))?.put(&Uint8Array::from(sealed), Some(&disk::key(&key)))?;
        }
        Write::Delete { table, key } => {
            tx.store(store_of(*table))?.delete(disk::key(&place(*table, key)))?;
        }
        Write::DeletePrefix { table, prefix } => {
            tx.store(store_of(*table))?.delete(disk::prefix(&place(*table, prefix))?)?;
        }
    }
    Ok(())
}

/// A table's number on disk.
fn number(table: Table) -> u8 {
    table.to_bytes()[0]
}

/// A record's key in its object store.
fn place(table: Table, key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + key.len());
    out.push(number(table));
    out.extend_from_slice(key);
    out
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "written by claim alone")]
fn generation(stored: &Option<JsValue>) -> u64 {
    stored.as_ref().and_then(JsValue::as_f64).unwrap_or(0.0) as u64
}

/// The bytes of a binary key or value that came out of the database.
fn bytes(value: &JsValue) -> Vec<u8> {
    match value.dyn_ref::<Uint8Array>() {
        Some(array) => array.to_vec(),
        None => Uint8Array::new(value).to_vec(),
    }
}

#[cfg(all(test, target_arch = "wasm32"))]
mod tests;
