//! How somebody who has only a name and a key is shown.

use super::linkify::is_direction;

/// How many avatar colours the style sheet has (`.hue-0` …).
const HUES: u8 = 12;

/// One or two letters for an avatar, shown in upper case by the style sheet; empty when the name has none.
pub(crate) fn initials(name: &str) -> String {
    let mut words = name
        .split(|c: char| c.is_whitespace() || c == '-')
        .filter_map(|w| w.chars().find(|c| c.is_alphanumeric()));
    let first = words.next();
    let last = words.next_back();
    first.into_iter().chain(last).collect()
}

/// The colour class of an id: the same on every device.
pub(crate) fn hue(id: &[u8; 32]) -> u8 {
    id[31] % HUES
}

/// A name or title as it may be shown: one line, nothing invisible that could make it look like another.
pub(crate) fn clean(name: &str) -> String {
    let visible = |c: &char| {
        !is_direction(*c) && !matches!(c, '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' | '\u{00ad}')
    };
    let spaced =
        name.chars().map(|c| if c.is_control() || c.is_whitespace() { ' ' } else { c }).filter(visible);
    spaced.collect::<String>().split(' ').filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The beginning of a text on one line, at most `max` characters.
pub(crate) fn preview(text: &str, max: usize) -> String {
    // A long body is not walked through for its first line.
    let head: String = text.chars().take(max * 2).collect();
    let line = clean(&head);
    if line.chars().count() > max { line.chars().take(max).chain(['…']).collect() } else { line }
}

/// Bytes as lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [b >> 4, b & 15]).map(|d| char::from(DIGITS[usize::from(d)])).collect()
}

/// The 32 bytes of 64 hex digits.
pub(crate) fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (i, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()?;
    }
    text.bytes().all(|b| b.is_ascii_hexdigit()).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initials_are_first_and_last() {
        assert_eq!(initials("Ana"), "A");
        assert_eq!(initials("ana maria lópez"), "al");
        assert_eq!(initials("  Jean-Luc "), "JL");
        assert_eq!(initials("🙂"), "");
        assert_eq!(initials("élodie"), "é");
    }

    #[test]
    fn names_lose_what_cannot_be_seen() {
        assert_eq!(clean("  Ana\n\u{202e}B\u{200b}ob\t "), "Ana Bob");
        assert_eq!(clean("\u{202e}"), "");
    }

    #[test]
    fn previews_are_one_short_line() {
        assert_eq!(preview("a\nb", 10), "a b");
        assert_eq!(preview("abcdefgh", 4), "abcd…");
        assert_eq!(preview("abcd", 4), "abcd");
    }

    #[test]
    fn hex_goes_both_ways() {
        let id: [u8; 32] = core::array::from_fn(|i| (i * 9) as u8);
        assert_eq!(unhex(&hex(&id)), Some(id));
        assert_eq!(unhex("00"), None);
        assert_eq!(unhex(&"+1".repeat(32)), None);
        assert_eq!(unhex(&"zz".repeat(32)), None);
    }
}
