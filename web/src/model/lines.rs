//! How messages stand together: under days, in groups of one author, above and below the mark of what is new.

use harbor_wasm::proto::id::EndpointId;

/// Messages of one author within this time stand together, ms.
const TOGETHER_MS: u64 = 5 * 60_000;

/// What of a message decides where it stands.
#[derive(Clone, Copy)]
pub(crate) struct Facts {
    pub(crate) author: EndpointId,
    pub(crate) sent_ms: u64,
    /// A line about the conversation itself: it stands alone.
    pub(crate) notice: bool,
    /// Local day of `sent_ms`.
    pub(crate) day: i64,
}

/// Where a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stand {
    /// A day begins with it.
    pub(crate) day: bool,
    /// The mark of what is new stands above it.
    pub(crate) new: bool,
    /// The first of several by one author.
    pub(crate) first: bool,
    /// The last of them.
    pub(crate) last: bool,
}

/// Where each of `rows`, in display order, stands; `new` is the place of the first unread one.
pub(crate) fn stand(rows: &[Facts], new: Option<usize>) -> Vec<Stand> {
    // Whether the row at `i` goes on where the one before it stopped.
    let goes_on =
        |i: usize| i > 0 && new != Some(i) && rows.get(i).is_some_and(|row| together(&rows[i - 1], row));
    let stand = |i: usize| Stand {
        day: i == 0 || rows[i - 1].day != rows[i].day,
        new: new == Some(i),
        first: !goes_on(i),
        last: !goes_on(i + 1),
    };
    (0..rows.len()).map(stand).collect()
}

fn together(a: &Facts, b: &Facts) -> bool {
    let near = a.sent_ms.abs_diff(b.sent_ms) < TOGETHER_MS;
    near && a.author == b.author && a.day == b.day && !a.notice && !b.notice
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;

    /// Author and minute of each message; days are a hundred minutes long here.
    fn rows(list: &[(u8, u64)]) -> Vec<Facts> {
        let facts = |&(author, minute): &(u8, u64)| Facts {
            author: EndpointId([author; 32]),
            sent_ms: minute * MINUTE,
            notice: author == 0,
            day: (minute / 100) as i64,
        };
        list.iter().map(facts).collect()
    }

    /// `(`, `)` for first and last, `|` for a day, `*` for the mark.
    fn picture(rows: &[Facts], new: Option<usize>) -> String {
        let mut out = String::new();
        for s in stand(rows, new) {
            for (yes, sign) in [(s.day, '|'), (s.new, '*'), (s.first, '('), (true, '.'), (s.last, ')')] {
                if yes {
                    out.push(sign);
                }
            }
        }
        out
    }

    #[test]
    fn an_author_s_messages_stand_together_for_five_minutes() {
        assert_eq!(picture(&rows(&[(1, 0), (1, 1), (2, 2), (1, 3), (1, 8)]), None), "|(..)(.)(.)(.)");
    }

    #[test]
    fn a_day_and_the_mark_part_them() {
        assert_eq!(picture(&rows(&[(1, 99), (1, 100), (1, 101)]), None), "|(.)|(..)");
        assert_eq!(picture(&rows(&[(1, 1), (1, 2), (1, 3)]), Some(1)), "|(.)*(..)");
        assert_eq!(picture(&rows(&[(1, 1)]), Some(0)), "|*(.)");
    }

    #[test]
    fn a_notice_stands_alone() {
        assert_eq!(picture(&rows(&[(0, 1), (0, 1), (1, 1)]), None), "|(.)(.)(.)");
    }

    #[test]
    fn nothing_is_nothing() {
        assert_eq!(picture(&[], Some(3)), "");
    }
}
