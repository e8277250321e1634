//! Pages of a topic's history.
//!
//! Spec: docs/spec/at-rest.md §1.

use super::disk::{self, StoreError};
use super::{MESSAGES, STATES, Store, place};
use crate::Page;
use harbor_proto::endpoint::{Message, MessageState, OrderKey, Table};
use harbor_proto::id::{MessageId, TopicUid};
use harbor_proto::wire::Wire;
use idb::CursorDirection;
use litemap::LiteMap;

/// Most messages in one page.
const MAX_PAGE: u32 = 200;

impl Store {
    /// At most `limit` messages just before `before`, or the newest.
    pub(crate) async fn page(
        &self,
        topic: TopicUid,
        before: Option<OrderKey>,
        limit: u32,
    ) -> Result<Page, StoreError> {
        let limit = limit.clamp(1, MAX_PAGE);
        let tx = self.begin(&[MESSAGES, STATES], None)?;
        let end = |table| match before {
            Some(order) => [&place(table, &topic.0)[..], &order].concat(),
            None => disk::prefix_end(&place(table, &topic.0)),
        };
        let (start, stop) = (place(Table::Message, &topic.0), end(Table::Message));
        let skipped = skip_back(&tx, disk::between(&start, false, &stop)?, limit).await?;
        let range = match &skipped {
            Some(key) => disk::between(key, true, &stop)?,
            None => disk::between(&start, false, &stop)?,
        };
        let rows = tx.page(MESSAGES, range, limit).await?;
        let mut states = LiteMap::default();
        if let Some((first, _)) = rows.first() {
            let from = place(Table::State, &first[1..]);
            let range = disk::between(&from, false, &end(Table::State))?;
            for (key, sealed) in tx.page(STATES, range, limit).await? {
                states.insert(key, sealed);
            }
        }
        let messages = rows.iter().map(|(key, sealed)| self.message(key, sealed, &states));
        Ok(Page { messages: messages.collect::<Result<_, _>>()?, more: skipped.is_some() })
    }

    /// The message `id` of `topic`, if it is here: two disk positions.
    pub(crate) async fn find(&self, topic: TopicUid, id: MessageId) -> Result<Option<Message>, StoreError> {
        let tx = self.begin(&[MESSAGES, STATES], None)?;
        let at = [topic.0, id.0].concat();
        let Some(order) = tx.get(MESSAGES, &place(Table::Place, &at)).await? else { return Ok(None) };
        let order = self.unseal(Table::Place, &at, &order)?;
        let key = place(Table::Message, &[&topic.0[..], &order].concat());
        let Some(sealed) = tx.get(MESSAGES, &key).await? else { return Ok(None) };
        let mut states = LiteMap::default();
        let at = place(Table::State, &key[1..]);
        if let Some(sealed) = tx.get(STATES, &at).await? {
            states.insert(at, sealed);
        }
        self.message(&key, &sealed, &states).map(Some)
    }

    /// A message with the state it has now.
    fn message(
        &self,
        key: &[u8],
        sealed: &[u8],
        states: &LiteMap<Vec<u8>, Vec<u8>>,
    ) -> Result<Message, StoreError> {
        let key = &key[1..];
        let value = self.unseal(Table::Message, key, sealed)?;
        let mut message = Message::from_bytes(&value).map_err(|_| StoreError::Lost)?;
        if let Some(sealed) = states.get(&place(Table::State, key)) {
            let value = self.unseal(Table::State, key, sealed)?;
            let now = MessageState::from_bytes(&value).map_err(|_| StoreError::Lost)?;
            (message.state, message.path) = (Some(now.state), now.path);
        }
        Ok(message)
    }
}

/// The key that lies `count` keys before the newest of `range`; `None` when there are no more than `count`.
async fn skip_back(
    tx: &disk::Transaction,
    range: idb::KeyRange,
    count: u32,
) -> Result<Option<Vec<u8>>, StoreError> {
    let request = tx.store(MESSAGES)?.open_key_cursor(Some(range.into()), Some(CursorDirection::Prev))?;
    let Some(newest) = request.await? else { return Ok(None) };
    let Some(cursor) = newest.advance(count)?.await? else { return Ok(None) };
    Ok(Some(super::bytes(&cursor.key()?)))
}
