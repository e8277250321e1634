//! The house rules of ARCHITECTURE.md, held by a test: who may use whom, what the core must never touch, how
//! long a file may get. Reads every source file that git knows or would add. Each rule is a function over a
//! file's text, and each is shown to fail on a bad sample at the foot of this file.
#![cfg(not(target_arch = "wasm32"))]

#[path = "tidy/code.rs"]
mod code;

use code::{is_word, shipped_code};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Longest source file, lines. A longer one has more than one subject.
const MAX_LINES: usize = 600;
/// What counts as source for the length rule.
const SOURCE: [&str; 8] = ["rs", "ts", "tsx", "js", "mjs", "css", "sh", "sql"];
/// File names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 10] =
    ["utils", "util", "helpers", "helper", "manager", "managers", "common", "misc", "shared", "data"];

/// Which modules of harbor-proto a module may name: those of a lower rank, and itself. Modules of equal rank
/// never use each other. A module that is not in the list is refused, so that a new one gets its place here.
const RANKS: [(&str, u8); 19] = [
    ("time", 0),
    ("limits", 0),
    ("id", 0),
    ("machine", 0),
    ("crypto", 1),
    ("wire", 2),
    ("identity", 3),
    ("work", 3),
    ("packet", 3),
    ("at_rest", 3),
    ("topic", 4),
    ("delivery", 4),
    ("mailbox", 4),
    ("uplink", 4),
    ("peering", 4),
    ("endpoint", 5),
    ("node", 5),
    ("fuzzing", 6),
    ("vectors", 6),
];
/// Uses that go against the ranks on purpose: (who, whom, why).
const EXCEPTIONS: [(&str, &str, &str); 6] = [
    ("packet", "work", "a packet carries its stamp"),
    ("machine", "time", "every machine is told the time"),
    ("time", "wire", "a wall time has a byte form"),
    ("id", "wire", "an id has a byte form"),
    ("crypto", "wire", "keys and signatures have byte forms"),
    ("limits", "wire", "a cap may be a wire type's"),
];

/// One source file, its path relative to the repository with `/` between the parts.
struct File {
    path: String,
    text: String,
}

impl File {
    fn is_rust(&self) -> bool {
        extension(&self.path) == "rs"
    }
    /// Part of the core, which must run without an operating system; its test modules need not.
    fn is_core(&self) -> bool {
        let tests = self.path.contains("/tests/") || self.path.ends_with("/tests.rs");
        self.is_rust() && self.path.starts_with("harbor-proto/src/") && !tests
    }
}

fn extension(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(_, e)| e)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the repository").to_owned()
}

fn files() -> Vec<File> {
    let list = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git is needed to list the source files");
    assert!(list.status.success(), "git ls-files failed: {}", String::from_utf8_lossy(&list.stderr));
    let names = String::from_utf8(list.stdout).expect("file names are UTF-8");
    let mut files: Vec<File> = names
        .split('\0')
        .filter(|n| SOURCE.contains(&extension(n)))
        .filter_map(|n| Some(File { path: n.into(), text: std::fs::read_to_string(root().join(n)).ok()? }))
        .collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup_by(|a, b| a.path == b.path);
    files
}

/// Runs `rule` over every file and fails with one line per finding: `path:line: what is wrong`.
fn hold(why: &str, rule: impl Fn(&File) -> Vec<(usize, String)>) {
    let mut report = String::new();
    for file in files() {
        for (line, what) in rule(&file) {
            let _ = writeln!(report, "  {}:{line}: {what}", file.path);
        }
    }
    assert!(report.is_empty(), "{why}\n{report}");
}

// ---- the rules -------------------------------------------------------------------------------------------

fn too_long(file: &File) -> Vec<(usize, String)> {
    let lines = file.text.lines().count();
    if lines <= MAX_LINES {
        return Vec::new();
    }
    vec![(lines, format!("{lines} lines; split it by subject (at most {MAX_LINES})"))]
}

fn empty_name(file: &File) -> Vec<(usize, String)> {
    let parts = file.path.split('/').map(|p| p.split('.').next().unwrap_or(p));
    parts
        .filter(|p| EMPTY_NAMES.contains(p))
        .map(|p| (1, format!("`{p}` says nothing: name it after what it does")))
        .collect()
}

/// First path segments after `crate::` (or the `super::`s that amount to it) in one file of the core.
fn uses(path_in_src: &str, code: &str) -> Vec<String> {
    let depth = module_depth(path_in_src);
    let supers = "super::".repeat(depth);
    let mut found = Vec::new();
    for prefix in ["crate::", supers.as_str()] {
        if prefix.is_empty() {
            continue;
        }
        for (at, _) in code.match_indices(prefix) {
            let before = code[..at].chars().next_back().unwrap_or(' ');
            if is_word(before) || code[..at].ends_with("super::") {
                continue;
            }
            found.extend(first_segments(&code[at + prefix.len()..]));
        }
    }
    found
}

/// How many `super::` lead from the file's module to the crate: `id.rs` 1, `topic/mod.rs` 1, `topic/dag.rs` 2.
fn module_depth(path_in_src: &str) -> usize {
    let parts = path_in_src.split('/').count();
    if path_in_src.ends_with("/mod.rs") { parts - 1 } else { parts }
}

/// `{a::b, c}` → a, c; `a::b` → a.
fn first_segments(rest: &str) -> Vec<String> {
    let Some(list) = rest.strip_prefix('{') else {
        return vec![rest.chars().take_while(|c| is_word(*c)).collect()];
    };
    let mut names = vec![String::new()];
    let mut depth = 0;
    let mut reading = true;
    for c in list.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(String::new());
                reading = true;
            }
            c if c.is_whitespace() => {}
            c if depth == 0 && reading && is_word(c) => names.last_mut().expect("never empty").push(c),
            _ => reading = false,
        }
    }
    names.retain(|n| !n.is_empty());
    names
}

fn wrong_order(file: &File) -> Vec<(usize, String)> {
    let Some(in_src) = file.path.strip_prefix("harbor-proto/src/") else { return Vec::new() };
    let me = in_src.split('/').next().unwrap_or("").trim_end_matches(".rs");
    if me == "lib" || !file.is_core() {
        return Vec::new();
    }
    let Some(my_rank) = rank(me) else {
        return vec![(1, format!("module `{me}` has no rank yet: give it its place in RANKS"))];
    };
    // A grouped `use` runs over lines, so the lines are joined and a finding is told by its text.
    let lines = shipped_code(&file.text);
    let code = lines.iter().map(|(_, l)| l.as_str()).collect::<Vec<_>>().join("\n");
    let mut wrong = Vec::new();
    for other in uses(in_src, &code) {
        // Macros of the codec live at the root of the crate.
        let other = if other.starts_with("wire_") { "wire".to_owned() } else { other };
        let allowed = other == me
            || EXCEPTIONS.iter().any(|(a, b, _)| *a == me && *b == other)
            || rank(&other).is_none_or(|r| r < my_rank);
        if !allowed {
            let line = lines.iter().find(|(_, l)| l.contains(&other)).map_or(1, |(n, _)| *n);
            wrong.push((line, format!("`{me}` uses `{other}`, which is not below it")));
        }
    }
    wrong.dedup();
    wrong
}

fn rank(module: &str) -> Option<u8> {
    RANKS.iter().find(|(name, _)| *name == module).map(|(_, r)| *r)
}

fn impure_core(file: &File) -> Vec<(usize, String)> {
    if !file.is_core() {
        return Vec::new();
    }
    let forbidden = [
        ("HashMap", "its order differs from run to run: use BTreeMap"),
        ("HashSet", "its order differs from run to run: use BTreeSet"),
        ("std::", "the core has no operating system: use core or alloc"),
        ("Instant::now", "the core is told the time"),
        ("SystemTime", "the core is told the time"),
        ("getrandom", "randomness comes in as a seed"),
        ("thread_rng", "randomness comes in as a seed"),
        ("OsRng", "randomness comes in as a seed"),
        ("async fn", "the core never waits"),
    ];
    let mut found = Vec::new();
    for (line, code) in shipped_code(&file.text) {
        for (word, why) in forbidden {
            if has_word(&code, word) {
                found.push((line, format!("`{word}` in the core: {why}")));
            }
        }
    }
    found
}

/// Whether `word` stands in `code` and is not the tail of a longer name.
fn has_word(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| !code[..at].chars().next_back().is_some_and(is_word))
}

fn unfinished(file: &File) -> Vec<(usize, String)> {
    if file.path.ends_with("tests/tidy.rs") {
        return Vec::new();
    }
    let words = ["todo!", "unimplemented!", "FIXME", "XXX:", "TODO"];
    let lines = file.text.lines().enumerate();
    lines
        .filter_map(|(n, l)| words.iter().find(|w| has_word(l, w)).map(|w| (n + 1, *w)))
        .map(|(n, w)| (n, format!("`{w}`: finish it, or file an issue")))
        .collect()
}

fn prints(file: &File) -> Vec<(usize, String)> {
    let library = ["harbor-proto/src/", "harbor-wasm/src/", "web/src/"];
    if !file.is_rust() || !library.iter().any(|l| file.path.starts_with(l)) {
        return Vec::new();
    }
    let words = ["println!", "eprintln!", "print!", "eprint!", "dbg!"];
    let mut found = Vec::new();
    for (line, code) in shipped_code(&file.text) {
        if let Some(w) = words.iter().find(|w| has_word(&code, w)) {
            found.push((line, format!("`{w}` in a library: it speaks for whoever uses it")));
        }
    }
    found
}

/// Keys are derived in crypto/ alone. Byte strings `b"harbor.v1 …"` elsewhere are what signed or hashed bytes
/// begin with; see `prefixes_are_told_apart`.
fn stray_context(file: &File) -> Vec<(usize, String)> {
    let allowed = ["harbor-proto/src/crypto", "harbor-proto/tests/"];
    if allowed.iter().any(|a| file.path.starts_with(a)) {
        return Vec::new();
    }
    let is_stray = |line: &str| {
        let text = line.replace("b\"harbor.v1 ", "");
        !text.trim_start().starts_with("//")
            && (text.contains("\"harbor.v1 ") || text.contains("new_derive_key"))
    };
    let lines = file.text.lines().enumerate().filter(|(_, l)| is_stray(l));
    lines.map(|(n, _)| (n + 1, "a KDF context outside crypto/: one place for all of them".into())).collect()
}

/// What signed or hashed bytes begin with: the texts of all `b"harbor.v1 …"` in the core.
fn prefixes(text: &str) -> Vec<String> {
    let found = text.split("b\"harbor.v1 ").skip(1);
    found.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())).collect()
}

/// The spec pages and sections that a file names: `docs/spec/x.md`, and the section in `docs/spec/x.md §n`.
fn spec_references(text: &str) -> Vec<(usize, String, Option<String>)> {
    let mut found = Vec::new();
    for (n, line) in text.lines().enumerate() {
        for (at, start) in line.match_indices("docs/spec/") {
            let rest = &line[at + start.len()..];
            let name: String = rest
                .chars()
                .take_while(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-')
                .collect();
            let Some(after) = rest[name.len()..].strip_prefix(".md") else { continue };
            let section =
                after.strip_prefix(" §").map(|s| s.chars().take_while(char::is_ascii_digit).collect());
            found.push((n + 1, name, section.filter(|s: &String| !s.is_empty())));
        }
    }
    found
}

/// Numbers of a page's headings: `## 3 Text` or `## 3. Text` → 3.
fn section_numbers(page: &str) -> Vec<String> {
    let headings = page.lines().filter(|l| l.starts_with('#')).map(|l| l.trim_start_matches(['#', '§', ' ']));
    headings.map(|h| h.chars().take_while(char::is_ascii_digit).collect()).collect()
}

fn dangling_spec(file: &File, pages: &BTreeMap<String, Vec<String>>) -> Vec<(usize, String)> {
    if file.path.ends_with("tests/tidy.rs") {
        return Vec::new();
    }
    let mut wrong = Vec::new();
    for (line, page, section) in spec_references(&file.text) {
        match (pages.get(&page), section) {
            (None, _) => wrong.push((line, format!("docs/spec/{page}.md does not exist"))),
            (Some(known), Some(s)) if !known.contains(&s) => {
                wrong.push((line, format!("docs/spec/{page}.md has no section {s}")));
            }
            _ => {}
        }
    }
    wrong
}

fn spec_pages() -> BTreeMap<String, Vec<String>> {
    let Ok(dir) = std::fs::read_dir(root().join("docs/spec")) else { return BTreeMap::new() };
    let mut pages = BTreeMap::new();
    for entry in dir.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(page) = name.strip_suffix(".md") {
            let text = std::fs::read_to_string(entry.path()).expect("a spec page is readable text");
            pages.insert(page.to_owned(), section_numbers(&text));
        }
    }
    pages
}

// ---- held over the repository ----------------------------------------------------------------------------

#[test]
fn files_are_short() {
    hold("A file has one subject.", too_long);
}

#[test]
fn names_say_something() {
    hold("A name says what is inside.", empty_name);
}

#[test]
fn modules_keep_their_order() {
    hold(
        "time id limits <- crypto <- wire <- identity work packet <- topic delivery mailbox <- endpoint node",
        wrong_order,
    );
}

#[test]
fn the_core_is_pure() {
    hold("harbor-proto runs without clock, randomness, operating system and chance.", impure_core);
}

#[test]
fn nothing_is_left_unfinished() {
    hold("What is on main works.", unfinished);
}

#[test]
fn libraries_do_not_print() {
    hold("Libraries return what they have to say.", prints);
}

#[test]
fn contexts_live_in_one_place() {
    hold("Two equal KDF contexts would be one key with two meanings.", stray_context);
}

#[test]
fn prefixes_are_told_apart() {
    let mut all: Vec<String> =
        files().iter().filter(|f| f.is_core()).flat_map(|f| prefixes(&f.text)).collect();
    all.sort();
    let twice: Vec<_> = all.windows(2).filter(|w| w[0] == w[1]).map(|w| &w[0]).collect();
    assert!(twice.is_empty(), "a signature for one thing would hold for another: {twice:?}");
}

#[test]
fn cited_spec_pages_exist() {
    let pages = spec_pages();
    if pages.len() < SPEC_PAGES {
        return; // the pages are being written
    }
    hold("Code cites the spec by page and section.", |f| dangling_spec(f, &pages));
}

/// The pages of the spec; from this number on every citation is checked.
const SPEC_PAGES: usize = 12;

// ---- the rules can fail ----------------------------------------------------------------------------------

fn sample(path: &str, text: &str) -> File {
    File { path: path.into(), text: text.into() }
}

#[test]
fn a_sibling_is_refused_in_every_spelling() {
    for text in [
        "use crate::delivery::Outbox;",
        "use crate::{id::TopicUid, delivery};",
        "use super::delivery::Outbox;",
        "fn f() { crate::delivery::go() }",
        "use crate::{\n    wire::Wire,\n    delivery::Outbox,\n};",
        "use crate::endpoint::Event;",
    ] {
        assert_eq!(wrong_order(&sample("harbor-proto/src/topic/mod.rs", text)).len(), 1, "{text}");
    }
    for text in [
        "use crate::{id::TopicUid, wire::Wire, crypto};",
        "// use crate::delivery",
        "#[cfg(test)]\nmod tests {\n    use crate::delivery::X;\n}\n",
        "use super::dag;",
    ] {
        assert_eq!(wrong_order(&sample("harbor-proto/src/topic/roster.rs", text)), [], "{text}");
    }
    assert_eq!(wrong_order(&sample("harbor-proto/src/topic/roster.rs", "use super::super::node;")).len(), 1);
    assert_eq!(wrong_order(&sample("harbor-proto/src/novel.rs", "")).len(), 1);
}

#[test]
fn impurity_is_found_in_code_only() {
    let bad = |text| impure_core(&sample("harbor-proto/src/topic/mod.rs", text)).len();
    assert_eq!(bad("use alloc::x::HashMap;"), 1);
    assert_eq!(bad("let t = std::time::Instant::now();"), 2);
    assert_eq!(bad("// std::time\nlet s = \"std::x HashMap\";\nlet r = r#\"std:: \"quoted\" \"#;"), 0);
    assert_eq!(bad("let c = '\"'; let d = std::mem::take(x);"), 1, "a quote character opens no string");
    assert_eq!(bad("fn f<'a>(x: &'a str) { std::drop(x) }"), 1, "a lifetime opens no literal");
    assert_eq!(
        bad("#[cfg(test)]\nmod tests { use std::vec; }\nuse std::vec;"),
        1,
        "code after a test module"
    );
    assert_eq!(bad("#[cfg(test)]\nextern crate std;"), 0);
}

#[test]
fn the_small_rules_find_their_samples() {
    assert_eq!(too_long(&sample("a.rs", &"x\n".repeat(MAX_LINES + 1))).len(), 1);
    assert_eq!(too_long(&sample("a.rs", &"x\n".repeat(MAX_LINES))).len(), 0);
    assert_eq!(empty_name(&sample("web/src/utils.rs", "")).len(), 1);
    assert_eq!(empty_name(&sample("web/src/utils/text.rs", "")).len(), 1);
    assert_eq!(unfinished(&sample("a.rs", "fn f() { todo!() }")).len(), 1);
    assert_eq!(prints(&sample("web/src/main.rs", "println!(\"x\");")).len(), 1);
    assert_eq!(stray_context(&sample("harbor-server/src/a.rs", "kdf(\"harbor.v1 x\")")).len(), 1);
    assert_eq!(stray_context(&sample("harbor-proto/src/crypto/kdf.rs", "kdf(\"harbor.v1 x\")")).len(), 0);
    assert_eq!(stray_context(&sample("harbor-proto/src/topic/dag.rs", "sign(b\"harbor.v1 op\")")).len(), 0);
    assert_eq!(prefixes("a(b\"harbor.v1 op\"); b(b\"harbor.v1 epoch\")"), ["op", "epoch"]);
}

#[test]
fn citations_are_checked_to_the_section() {
    let pages =
        BTreeMap::from([("packet".to_owned(), section_numbers("# Packet\n## 1 Layout\n### 2. Sizes\n"))]);
    let wrong = |text| dangling_spec(&sample("a.rs", text), &pages).len();
    assert_eq!(wrong("// docs/spec/packet.md §1 and docs/spec/packet.md §2, docs/spec/packet.md"), 0);
    assert_eq!(wrong("// docs/spec/packet.md §3"), 1);
    assert_eq!(wrong("// docs/spec/nothing.md"), 1);
}
