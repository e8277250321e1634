//! Finds bytes wherever they might have been written down.

use std::collections::{HashMap, HashSet};
use std::path::Path;

/// Bytes of this length do not meet by chance.
pub(crate) const WINDOW: usize = 16;

/// Everything a node keeps and says: its bytes, and the bytes that any hex or base64 in it stands for.
pub(crate) struct Haystack {
    /// Place, bytes.
    parts: Vec<(String, Vec<u8>)>,
    /// Every window of them.
    windows: HashSet<[u8; WINDOW]>,
}

impl Haystack {
    pub(crate) fn new(folder: &Path, log: &[u8]) -> Self {
        let mut parts = vec![("its log".to_owned(), log.to_vec())];
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            parts.push((name, std::fs::read(entry.path()).unwrap_or_default()));
        }
        let decoded: Vec<_> = parts.iter().flat_map(|(name, bytes)| spelled_out(name, bytes)).collect();
        parts.extend(decoded);
        let windows = parts.iter().flat_map(|(_, bytes)| bytes.windows(WINDOW)).map(window).collect();
        Self { parts, windows }
    }

    /// Bytes to search in, decoded ones included.
    pub(crate) fn len(&self) -> usize {
        self.parts.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    /// Whether `needle` stands anywhere, or begins to: longer ones are looked up by their first window.
    pub(crate) fn has(&self, needle: &[u8]) -> bool {
        if needle.len() >= WINDOW {
            return self.windows.contains(&window(&needle[..WINDOW]));
        }
        self.parts.iter().any(|(_, bytes)| bytes.windows(needle.len()).any(|w| w == needle))
    }

    /// The first of `secrets` that has any telling 16-byte window in here: (whose, where).
    pub(crate) fn find<'a>(
        &self,
        secrets: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Option<(String, String)> {
        let mut windows: HashMap<&[u8], &str> = HashMap::new();
        for (what, secret) in secrets {
            windows.extend(secret.windows(WINDOW).filter(|w| tells(w)).map(|w| (w, what)));
        }
        self.parts.iter().find_map(|(place, bytes)| {
            let hit = bytes.windows(WINDOW).find_map(|w| windows.get(w))?;
            Some(((*hit).to_owned(), place.clone()))
        })
    }
}

fn window(bytes: &[u8]) -> [u8; WINDOW] {
    bytes.try_into().expect("a window's length")
}

/// Padding, counters and the like are everywhere; random bytes have hardly a repeated value among sixteen.
fn tells(window: &[u8]) -> bool {
    let mut values = window.to_vec();
    values.sort_unstable();
    values.dedup();
    values.len() >= 10
}

/// What runs of hex digits and of base64 characters stand for, at every alignment.
fn spelled_out(name: &str, bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for run in runs(bytes, |b| b.is_ascii_hexdigit(), 2 * WINDOW) {
        for shift in 0..2 {
            let even = &run[shift..shift + (run.len() - shift) / 2 * 2];
            let value = data_encoding::HEXLOWER_PERMISSIVE.decode(even).expect("hex digits in pairs");
            found.push((format!("hex in {name}"), value));
        }
    }
    let is_base64 = |b: u8| b.is_ascii_alphanumeric() || b"+/-_".contains(&b);
    for run in runs(bytes, is_base64, WINDOW * 4 / 3) {
        let plain: Vec<u8> = run
            .iter()
            .map(|b| {
                if *b == b'-' {
                    b'+'
                } else if *b == b'_' {
                    b'/'
                } else {
                    *b
                }
            })
            .collect();
        for shift in 0..4 {
            let fours = plain.get(shift..).map_or(&[][..], |rest| &rest[..rest.len() / 4 * 4]);
            let value = data_encoding::BASE64_NOPAD.decode(fours).expect("base64 characters in fours");
            found.push((format!("base64 in {name}"), value));
        }
    }
    found
}

/// Runs of at least `least` bytes that are `of` a kind.
fn runs(bytes: &[u8], of: impl Fn(u8) -> bool, least: usize) -> Vec<&[u8]> {
    bytes.split(|b| !of(*b)).filter(|run| run.len() >= least).collect()
}

#[test]
fn bytes_are_found_in_every_spelling() {
    let secret: Vec<u8> = (0..32_u8).map(|n| n.wrapping_mul(89).wrapping_add(7)).collect();
    let spellings = [
        secret.clone(),
        data_encoding::HEXLOWER.encode(&secret).into_bytes(),
        format!("\"a{}\"", data_encoding::HEXUPPER.encode(&secret)).into_bytes(),
        data_encoding::BASE64.encode(&secret).into_bytes(),
        format!("id={}", data_encoding::BASE64URL_NOPAD.encode(&secret)).into_bytes(),
        data_encoding::BASE64.encode(&[b"x", &secret[..]].concat()).into_bytes(),
    ];
    for spelling in spellings {
        let text = String::from_utf8_lossy(&spelling).into_owned();
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("harbor.db"), [b"before ", &spelling[..], b" after"].concat())
            .expect("written");
        let haystack = Haystack::new(folder.path(), b"");
        assert!(haystack.find([("the secret", &secret[3..29])]).is_some(), "{text}");
        assert!(
            haystack
                .find([("another", &[1_u8, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16][..])])
                .is_none()
        );
    }
}
