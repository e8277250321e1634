//! Statements over many rows, in few shapes, so that every one of them stays prepared.

use sqlx::AssertSqlSafe;
use std::sync::Arc;

/// Rows per statement, largest first. Any number of rows is a sum of these.
const CHUNKS: [usize; 5] = [256, 64, 16, 4, 1];

/// A statement with its row repeated for each of [`CHUNKS`].
#[derive(Debug)]
pub(super) struct Repeated {
    texts: [Arc<str>; CHUNKS.len()],
}

impl Repeated {
    /// `head`, then `row` as often as needed with commas between, then `tail`.
    pub(super) fn new(head: &str, row: &str, tail: &str) -> Self {
        Self { texts: CHUNKS.map(|rows| format!("{head}{}{tail}", vec![row; rows].join(",")).into()) }
    }

    /// Splits `items` into runs and pairs each with its statement.
    pub(super) fn over<'a, T>(
        &'a self,
        items: &'a [T],
    ) -> impl Iterator<Item = (AssertSqlSafe<Arc<str>>, &'a [T])> {
        let mut rest = items;
        std::iter::from_fn(move || {
            let at = CHUNKS.iter().position(|rows| *rows <= rest.len())?;
            let (run, left) = rest.split_at(CHUNKS[at]);
            rest = left;
            // The text is made of literals and question marks alone.
            Some((AssertSqlSafe(Arc::clone(&self.texts[at])), run))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_cover_every_item_once_in_order() {
        let statement = Repeated::new("IN (", "?", ")");
        for count in [0, 1, 3, 4, 5, 255, 256, 257, 1000] {
            let items: Vec<usize> = (0..count).collect();
            let mut seen = Vec::new();
            for (text, run) in statement.over(&items) {
                assert_eq!(text.0.matches('?').count(), run.len());
                seen.extend_from_slice(run);
            }
            assert_eq!(seen, items);
        }
    }
}
