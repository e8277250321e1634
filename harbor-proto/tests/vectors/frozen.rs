//! Comparing what the code makes with what it made when it was frozen.

use data_encoding::HEXLOWER;
use serde_json::Value;

pub(crate) fn hex(bytes: impl AsRef<[u8]>) -> String {
    HEXLOWER.encode(bytes.as_ref())
}

/// Bytes that differ from each other, so that swapped or shifted fields show.
pub(crate) fn ramp<const N: usize>(from: u8) -> [u8; N] {
    core::array::from_fn(|i| from.wrapping_add(u8::try_from(i % 256).expect("below 256")))
}

/// Compares with, or under `HARBOR_FREEZE=1` rewrites, `tests/vectors/<name>.json`.
macro_rules! frozen {
    ($name:literal, $made:expr) => {
        frozen::check($name, include_str!(concat!("vectors/", $name, ".json")), &$made)
    };
}
pub(crate) use frozen;

pub(crate) fn check(name: &str, text: &str, made: &Value) {
    if std::env::var_os("HARBOR_FREEZE").is_some() {
        let path = format!("{}/tests/vectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let text = serde_json::to_string_pretty(made).expect("a JSON value") + "\n";
        std::fs::write(path, text).expect("the checkout is writable");
        return;
    }
    let kept = serde_json::from_str(text).expect("vector files are JSON");
    if let Some(difference) = first_difference(&kept, made, name.to_owned()) {
        panic!(
            "bytes of the protocol changed: {difference}\nOld and new versions would not understand each other. \
             If that is meant, say so in docs/spec and freeze again with HARBOR_FREEZE=1."
        );
    }
}

fn first_difference(kept: &Value, made: &Value, at: String) -> Option<String> {
    match (kept, made) {
        (Value::Object(k), Value::Object(m)) => {
            let mut names: Vec<&String> = k.keys().chain(m.keys()).collect();
            names.sort();
            names.dedup();
            let none = &Value::Null;
            names.into_iter().find_map(|n| {
                first_difference(k.get(n).unwrap_or(none), m.get(n).unwrap_or(none), format!("{at}.{n}"))
            })
        }
        (Value::Array(k), Value::Array(m)) if k.len() == m.len() => {
            k.iter().zip(m).enumerate().find_map(|(i, (k, m))| first_difference(k, m, format!("{at}[{i}]")))
        }
        _ if kept == made => None,
        _ => Some(format!("{at}\n  frozen {}\n  made   {}", short(kept), short(made))),
    }
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(200).collect()
}

#[test]
fn a_difference_is_found_wherever_it_is() {
    let json = |text| serde_json::from_str::<Value>(text).expect("a sample");
    let kept = json(r#"{"a": [1, {"b": "00"}], "c": 2}"#);
    let differs = |made| first_difference(&kept, &json(made), String::new());
    assert_eq!(differs(r#"{"a": [1, {"b": "00"}], "c": 2}"#), None);
    assert!(differs(r#"{"a": [1, {"b": "01"}], "c": 2}"#).is_some_and(|d| d.starts_with(".a[1].b")));
    assert!(differs(r#"{"a": [1], "c": 2}"#).is_some());
    assert!(differs(r#"{"a": [1, {"b": "00"}]}"#).is_some());
    assert!(differs(r#"{"a": [1, {"b": "00"}], "c": 2, "d": 0}"#).is_some());
}
