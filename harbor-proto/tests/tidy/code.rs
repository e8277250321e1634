//! Reads Rust just well enough to tell code from comments, strings and tests.

/// The Rust lines that are compiled into the crate: comments and strings blanked, test modules and test items
/// left out. Yields (line number from 1, code).
pub(crate) fn shipped_code(text: &str) -> Vec<(usize, String)> {
    let lines = blank_comments_and_strings(text);
    let lines: Vec<&str> = lines.lines().collect();
    let mut out = Vec::new();
    let mut i = 0;
    while i < lines.len() {
        if is_test_attribute(lines[i]) {
            i = end_of_item(&lines, i + 1);
            continue;
        }
        out.push((i + 1, lines[i].to_owned()));
        i += 1;
    }
    out
}

fn is_test_attribute(line: &str) -> bool {
    let line = line.trim();
    line.starts_with("#[cfg(test)]") || line.starts_with("#[cfg(all(test")
}

/// The line after the item that starts at `from`: after its matching brace, or after its first `;`.
fn end_of_item(lines: &[&str], from: usize) -> usize {
    let mut depth = 0_i32;
    for (i, line) in lines.iter().enumerate().skip(from) {
        for c in line.chars() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 && (c == '}' || c == ';') {
                return i + 1;
            }
        }
    }
    lines.len()
}

/// Replaces what is inside comments, strings and character literals by spaces; line breaks stay.
fn blank_comments_and_strings(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut i = 0;
    while i < chars.len() {
        let end = skip_token(&chars, i);
        if end == i {
            out.push(chars[i]);
            i += 1;
            continue;
        }
        out.extend(chars[i..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
        i = end;
    }
    out
}

/// The end of the comment or literal that starts at `i`, or `i` when none starts there.
fn skip_token(chars: &[char], i: usize) -> usize {
    let at = |n: usize| chars.get(i + n).copied().unwrap_or('\0');
    match (at(0), at(1)) {
        ('/', '/') => (i..chars.len()).find(|&n| chars[n] == '\n').unwrap_or(chars.len()),
        ('/', '*') => end_of_block_comment(chars, i),
        ('"', _) => end_of_string(chars, i + 1),
        ('r', '"' | '#') if i == 0 || !is_word(chars[i - 1]) => end_of_raw_string(chars, i),
        // A lifetime has no closing quote, a character literal has it after one character or an escape.
        ('\'', '\\') => end_of_escape(chars, i + 2),
        ('\'', _) if at(2) == '\'' => i + 3,
        _ => i,
    }
}

pub(crate) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn end_of_block_comment(chars: &[char], start: usize) -> usize {
    let mut depth = 0;
    let mut i = start;
    while i + 1 < chars.len() {
        match (chars[i], chars[i + 1]) {
            ('/', '*') => depth += 1,
            ('*', '/') if depth == 1 => return i + 2,
            ('*', '/') => depth -= 1,
            _ => {
                i += 1;
                continue;
            }
        }
        i += 2;
    }
    chars.len()
}

fn end_of_string(chars: &[char], mut i: usize) -> usize {
    while i < chars.len() {
        match chars[i] {
            '\\' => i += 2,
            '"' => return i + 1,
            _ => i += 1,
        }
    }
    chars.len()
}

fn end_of_raw_string(chars: &[char], start: usize) -> usize {
    let hashes = chars[start + 1..].iter().take_while(|c| **c == '#').count();
    if chars.get(start + 1 + hashes) != Some(&'"') {
        return start; // a raw identifier
    }
    let closing: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    (start + 2 + hashes..chars.len())
        .find(|&n| chars[n..].starts_with(&closing))
        .map_or(chars.len(), |n| n + closing.len())
}

fn end_of_escape(chars: &[char], from: usize) -> usize {
    (from + 1..chars.len()).find(|&n| chars[n] == '\'').map_or(chars.len(), |n| n + 1)
}
