//! Finds web addresses in what people write.

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    Text(&'a str),
    /// An `http:` or `https:` address, safe as an `href`; no other scheme ever becomes a link.
    Link(&'a str),
}

/// Splits `text` into plain pieces and links; the pieces put together are `text` again.
pub(crate) fn linkify(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut plain = 0;
    let mut at = 0;
    while let Some(start) = next_scheme(text, at) {
        let end = start + address_len(&text[start..]);
        let starts_word = !text[..start].ends_with(|c: char| c.is_alphanumeric());
        if starts_word && has_host(&text[start..end]) {
            if plain < start {
                pieces.push(Piece::Text(&text[plain..start]));
            }
            pieces.push(Piece::Link(&text[start..end]));
            plain = end;
        }
        at = end.max(start + 1);
    }
    if plain < text.len() {
        pieces.push(Piece::Text(&text[plain..]));
    }
    pieces
}

/// Where the next `http://` or `https://` begins, in any case of letters. `from` may lie inside a character's
/// neighbourhood of ASCII only, as both callers guarantee.
fn next_scheme(text: &str, from: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    (from..bytes.len()).find(|&i| {
        ["http://", "https://"].iter().any(|scheme| {
            bytes.get(i..i + scheme.len()).is_some_and(|s| s.eq_ignore_ascii_case(scheme.as_bytes()))
        })
    })
}

/// How many bytes of `text` belong to the address at its beginning.
fn address_len(text: &str) -> usize {
    let mut end = text
        .find(|c: char| c.is_whitespace() || c.is_control() || is_direction(c) || "<>\"`{}|\\^".contains(c))
        .unwrap_or(text.len());
    // What ends a sentence is not the address; a closing bracket is only when it was opened inside.
    while let Some(last) = text[..end].chars().next_back() {
        let part = &text[..end];
        let drop = match last {
            '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '*' | '_' | '…' => true,
            ')' => part.matches(')').count() > part.matches('(').count(),
            ']' => part.matches(']').count() > part.matches('[').count(),
            _ => false,
        };
        if !drop {
            break;
        }
        end -= last.len_utf8();
    }
    end
}

/// Characters that turn the reading direction: an address with one would not read as what it opens.
pub(crate) fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether something stands where a host would, and no user name pretends to be one (`https://bank@evil`).
fn has_host(address: &str) -> bool {
    let rest = address.split_once("//").map_or("", |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or("");
    !host.contains('@') && host.starts_with(|c: char| c.is_alphanumeric() || c == '[')
}

#[cfg(test)]
mod tests {
    use super::{Piece::*, linkify};

    #[test]
    fn plain_text_stays_one_piece() {
        assert_eq!(linkify("no links"), [Text("no links")]);
        assert_eq!(linkify(""), []);
    }

    #[test]
    fn links_stand_between_texts() {
        assert_eq!(
            linkify("see https://a.example/x?y=1#z and HTTP://B.example!"),
            [
                Text("see "),
                Link("https://a.example/x?y=1#z"),
                Text(" and "),
                Link("HTTP://B.example"),
                Text("!")
            ]
        );
    }

    #[test]
    fn brackets_belong_to_the_address_only_when_opened_in_it() {
        assert_eq!(linkify("(https://a.example)"), [Text("("), Link("https://a.example"), Text(")")]);
        assert_eq!(linkify("https://a.example/b_(c)"), [Link("https://a.example/b_(c)")]);
    }

    #[test]
    fn other_schemes_never_become_links() {
        for text in
            ["javascript:alert(1)", "data:text/html,x", "file:///etc", "xhttp://a.example", "ftp://a.example"]
        {
            assert!(linkify(text).iter().all(|p| matches!(p, Text(_))), "{text}");
        }
    }

    #[test]
    fn no_host_or_a_disguised_one_is_no_link() {
        for text in ["https://", "http:// a", "https:///x", "https://bank.example@evil.example/"] {
            assert!(linkify(text).iter().all(|p| matches!(p, Text(_))), "{text}");
        }
    }

    #[test]
    fn direction_marks_and_quotes_end_an_address() {
        assert_eq!(
            linkify("https://a.example/\u{202e}gpj"),
            [Link("https://a.example/"), Text("\u{202e}gpj")]
        );
        assert_eq!(linkify("\"https://a.example\""), [Text("\""), Link("https://a.example"), Text("\"")]);
    }

    #[test]
    fn pieces_always_make_up_the_text() {
        for text in
            ["ü https://ä.example/ö, ü", "https://a.example…", "http://http://a.example", "🙂http://🙂"]
        {
            let joined: String = linkify(text)
                .iter()
                .map(|p| match p {
                    Text(t) | Link(t) => *t,
                })
                .collect();
            assert_eq!(joined, text);
        }
    }
}
