//! Puts the web app of `web/dist` into the binary, compressed once, and says which commit this is.

use data_encoding::{BASE64, HEXLOWER};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Larger files are kept as they are only when compressing saves at least this share.
const WORTH_IT: f64 = 0.95;

fn main() {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    let dist = Path::new("../web/dist");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=migrations");
    // Watching a missing folder would rebuild every time; its parent changes when it appears.
    println!("cargo::rerun-if-changed={}", if dist.exists() { "../web/dist" } else { "../web" });
    println!("cargo::rustc-env=HARBOR_GIT_SUFFIX={}", git_suffix());
    let mut files = Vec::new();
    collect(dist, dist, &mut files);
    files.sort();
    fs::write(out.join("web_assets.rs"), table(&files, &out)).expect("OUT_DIR can be written");
}

/// " (git 0123456)" in a clone, nothing elsewhere. Only release builds look again at every commit.
fn git_suffix() -> String {
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    if std::env::var("PROFILE").is_ok_and(|profile| profile == "release")
        && let Some(log) =
            git(&["rev-parse", "--git-path", "logs/HEAD"]).filter(|log| Path::new(log).exists())
    {
        println!("cargo::rerun-if-changed={log}");
    }
    git(&["rev-parse", "--short", "HEAD"]).map(|hash| format!(" git {hash}")).unwrap_or_default()
}

/// Every file as (URL path, file).
fn collect(root: &Path, dir: &Path, files: &mut Vec<(String, PathBuf)>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(root, &path, files);
        } else if let Ok(relative) = path.strip_prefix(root) {
            let url = relative.to_string_lossy().replace('\\', "/");
            if !url.starts_with('.') {
                files.push((format!("/{url}"), fs::canonicalize(&path).expect("it was just listed")));
            }
        }
    }
}

fn table(files: &[(String, PathBuf)], out: &Path) -> String {
    let mut text = String::from("static ASSETS: &[Asset] = &[\n");
    let mut scripts = String::new();
    for (url, file) in files {
        let bytes = fs::read(file).expect("a file of the web app can be read");
        let hash = HEXLOWER.encode(&Sha256::digest(&bytes)[..12]);
        let packed = |kind: &str, pack: fn(&[u8]) -> Vec<u8>| -> String {
            let path = out.join(format!("{hash}.{}.{kind}", quality()));
            if !path.exists() {
                fs::write(&path, pack(&bytes)).expect("OUT_DIR can be written");
            }
            let len = fs::metadata(&path).expect("it was just written").len();
            if (len as f64) < bytes.len() as f64 * WORTH_IT {
                format!("Some(include_bytes!({path:?}))")
            } else {
                "None".into()
            }
        };
        let (br, gz) = (packed("br", brotli), packed("gz", gzip));
        let _ = writeln!(
            text,
            "    Asset {{ path: {url:?}, etag: {hash:?}, immutable: {}, raw: include_bytes!({file:?}), br: {br}, gz: {gz} }},",
            is_hashed(url)
        );
        if url.ends_with(".html") {
            scripts.push_str(&inline_scripts(&String::from_utf8_lossy(&bytes)));
        }
    }
    let _ = writeln!(
        text,
        "];\n\n/// Hashes of the inline scripts that the build put into a page.\nconst INLINE_SCRIPTS: &str = {scripts:?};"
    );
    text
}

/// Tests build often and load once; a release the other way round.
fn quality() -> u8 {
    if std::env::var("PROFILE").is_ok_and(|profile| profile == "release") { 11 } else { 5 }
}

fn brotli(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    let mut writer = brotli::CompressorWriter::new(&mut packed, 1 << 16, u32::from(quality()), 24);
    writer.write_all(bytes).expect("a Vec takes everything");
    drop(writer);
    packed
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    flate2::read::GzEncoder::new(bytes, flate2::Compression::new(u32::from(quality()).min(9)))
        .read_to_end(&mut packed)
        .expect("a slice can be read");
    packed
}

/// True for `name-0123456789abcdef.js` and `name-0123456789abcdef_bg.wasm`: another content has another name.
/// Trunk writes a u64 without its leading zeros, so a few of these names are shorter.
fn is_hashed(url: &str) -> bool {
    let name = url.rsplit('/').next().unwrap_or_default();
    name.split(['-', '_', '.']).any(|part| part.len() >= 12 && part.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// ` 'sha256-…'` for every script without a `src`, so that the policy allows these and no other.
fn inline_scripts(html: &str) -> String {
    let mut hashes = String::new();
    let mut rest = html;
    while let Some(start) = rest.find("<script") {
        let Some(open) = rest[start..].find('>') else { break };
        let (tag, body) = (&rest[start..start + open], &rest[start + open + 1..]);
        let Some(end) = body.find("</script>") else { break };
        if !tag.contains(" src=") && !body[..end].is_empty() {
            let _ = write!(hashes, " 'sha256-{}'", BASE64.encode(&Sha256::digest(&body.as_bytes()[..end])));
        }
        rest = &body[end..];
    }
    hashes
}
