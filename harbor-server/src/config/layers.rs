//! Puts a configuration together: defaults, then files, then `HARBOR_` variables, then flags.

use super::Config;
use crate::failure::Failure;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Where a configuration comes from besides its defaults.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    /// Start from the developer's defaults: this machine only, no admin listener, no file unless named.
    pub(crate) dev: bool,
    /// Files in order, later wins; empty: [`DEFAULT_FILE`], when there is one.
    pub(crate) files: Vec<PathBuf>,
    /// The environment; only names that start with `HARBOR_` and hold `__` are read.
    pub(crate) env: Vec<(String, String)>,
    /// `key=value` from `-O`, in order.
    pub(crate) sets: Vec<String>,
    /// Flags with a name of their own: the flag, its key, its value.
    pub(crate) flags: Vec<(&'static str, &'static str, Vec<String>)>,
}

/// Read when no file is named.
pub(crate) const DEFAULT_FILE: &str = "/etc/harbor/harbor.toml";

/// The configuration that `layers` make.
///
/// # Errors
/// The operator's: the sentence names the source and the key.
pub(crate) fn load(layers: &Layers) -> Result<Config, Failure> {
    let mut merged = Merged::new();
    if layers.dev {
        merged.add("--dev", dev_defaults())?;
    }
    for file in files(layers) {
        let shown = file.display().to_string();
        merged.add(&shown, read(&file)?)?;
    }
    for (name, value) in &layers.env {
        if let Some(key) = env_key(name) {
            merged.set(name, &key, std::slice::from_ref(value))?;
        }
    }
    for (flag, key, values) in &layers.flags {
        merged.set(flag, key, values)?;
    }
    for set in &layers.sets {
        let (key, value) = set.split_once('=').ok_or_else(|| {
            Failure::config(format!("-O {set}: write it as key=value, like -O storage.max_ttl=7d"))
        })?;
        merged.set("-O", key.trim(), &[value.trim().to_owned()])?;
    }
    let config = Config::deserialize(Value::Table(merged.table))
        .map_err(|e| Failure::config(format!("the configuration: {}", e.message())))?;
    config.check().map_err(Failure::config)?;
    Ok(config)
}

fn files(layers: &Layers) -> Vec<PathBuf> {
    if !layers.files.is_empty() {
        return layers.files.clone();
    }
    let default = Path::new(DEFAULT_FILE);
    if !layers.dev && default.exists() { vec![default.into()] } else { Vec::new() }
}

fn dev_defaults() -> Table {
    toml::from_str(
        r#"
        [server]
        bind = ["127.0.0.1:8080", "[::1]:8080"]
        shutdown_grace = "3s"
        [observability]
        admin_bind = ""
        "#,
    )
    .expect("a literal")
}

fn read(file: &Path) -> Result<Table, Failure> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).map_err(|e| {
        Failure::config(format!(
            "{shown} cannot be read: {e}. Check the path given with --config or HARBOR_CONFIG."
        ))
    })?;
    text.parse().map_err(|e: toml::de::Error| Failure::config(format!("{shown} is not valid TOML:\n{e}")))
}

/// `HARBOR_SERVER__PUBLIC_URL` is `server.public_url`. Names without `__` are not ours to judge: a container
/// platform sets HARBOR_PORT and its like for a service called harbor.
fn env_key(name: &str) -> Option<String> {
    let key = name.strip_prefix("HARBOR_")?;
    key.contains("__").then(|| key.replace("__", ".").to_lowercase())
}

/// The keys set so far, every one of them known and of the right type.
struct Merged {
    table: Table,
    known: Vec<(String, Value)>,
}

impl Merged {
    fn new() -> Self {
        let table = Table::try_from(Config::default()).expect("the defaults can be written");
        Self { known: leaves(&table), table }
    }

    fn add(&mut self, source: &str, layer: Table) -> Result<(), Failure> {
        for (key, value) in leaves(&layer) {
            self.insert(source, &key, value)?;
        }
        Ok(())
    }

    /// Sets one key from text, which has no types of its own: the default's type decides.
    fn set(&mut self, source: &str, key: &str, texts: &[String]) -> Result<(), Failure> {
        let default = self.known.iter().find(|(known, _)| known == key).map(|(_, default)| default);
        let value = match (default, texts) {
            (Some(Value::Array(_)), [text]) => array(text),
            (Some(Value::Array(_)), texts) => {
                texts.iter().cloned().map(Value::String).collect::<Vec<_>>().into()
            }
            (Some(Value::Integer(_) | Value::Boolean(_)), [text]) => scalar(text),
            (_, texts) => Value::String(texts.join(",")),
        };
        self.insert(source, key, value)
    }

    fn insert(&mut self, source: &str, key: &str, value: Value) -> Result<(), Failure> {
        if !self.known.iter().any(|(known, _)| known == key) {
            return Err(Failure::config(format!("{source}: {}", self.unknown(key))));
        }
        merge(&mut self.table, nested(key, value));
        // Everything else was valid before, so what is wrong now is this key.
        Config::deserialize(Value::Table(self.table.clone()))
            .map(drop)
            .map_err(|e| Failure::config(format!("{source}: {key}: {}", e.message())))
    }

    fn unknown(&self, key: &str) -> String {
        let section = format!("{key}.");
        let inside: Vec<_> = self
            .known
            .iter()
            .map(|(known, _)| known.as_str())
            .filter(|known| known.starts_with(&section))
            .collect();
        if !inside.is_empty() {
            return format!("{key} is a section; set {}", inside.join(", "));
        }
        let nearest = self
            .known
            .iter()
            .map(|(known, _)| (likeness(key, known), known))
            .min_by_key(|(distance, _)| *distance)
            .filter(|(distance, known)| *distance <= known.len() / 3);
        match nearest {
            Some((_, known)) => format!("unknown key {key}; did you mean {known}?"),
            None => format!("unknown key {key}; `harbor config example` shows every key there is"),
        }
    }
}

/// How far two keys are apart; the same name in another section is near.
fn likeness(a: &str, b: &str) -> usize {
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    if last(a) == last(b) { 1 } else { edits(a, b) }
}

/// Levenshtein distance.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// Every key of a table that is not itself a table, as "section.key".
fn leaves(table: &Table) -> Vec<(String, Value)> {
    let mut out = Vec::new();
    for (name, value) in table {
        match value {
            Value::Table(inner) if !inner.is_empty() => {
                out.extend(leaves(inner).into_iter().map(|(key, value)| (format!("{name}.{key}"), value)));
            }
            // An empty section sets nothing.
            Value::Table(_) => {}
            _ => out.push((name.clone(), value.clone())),
        }
    }
    out
}

fn nested(key: &str, value: Value) -> Table {
    let mut value = value;
    for name in key.rsplit('.') {
        value = Value::Table(Table::from_iter([(name.to_owned(), value)]));
    }
    match value {
        Value::Table(table) => table,
        _ => unreachable!("a key has at least one name"),
    }
}

fn merge(into: &mut Table, from: Table) {
    for (name, value) in from {
        match (into.get_mut(&name), value) {
            (Some(Value::Table(old)), Value::Table(new)) => merge(old, new),
            (_, value) => {
                into.insert(name, value);
            }
        }
    }
}

/// A TOML array, or values separated by commas.
fn array(text: &str) -> Value {
    let listed = format!("x = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("x"));
    match listed {
        Some(value @ Value::Array(_)) => value,
        _ => text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(|item| Value::String(item.into()))
            .collect::<Vec<_>>()
            .into(),
    }
}

/// A number or a truth value where it is one, so that the error for anything else shows the text.
fn scalar(text: &str) -> Value {
    match text {
        "true" => true.into(),
        "false" => false.into(),
        _ => text.parse::<i64>().map_or_else(|_| text.into(), Value::Integer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(sets: &[&str]) -> Result<Config, String> {
        let layers =
            Layers { dev: true, sets: sets.iter().map(|s| (*s).into()).collect(), ..Layers::default() };
        load(&layers).map_err(|failure| failure.to_string())
    }

    #[test]
    fn flags_win_over_variables_over_defaults() {
        let layers = Layers {
            dev: true,
            env: vec![
                ("HARBOR_STORAGE__MAX_TTL".into(), "7d".into()),
                ("HARBOR_LIMITS__WATCHES".into(), "5".into()),
                ("HARBOR_PORT".into(), "tcp://10.0.0.1".into()),
                ("HARBOR_SERVER__BIND".into(), "[::]:1, 127.0.0.1:2".into()),
            ],
            sets: vec!["storage.max_ttl=3d".into()],
            flags: vec![("--max-storage", "storage.quota_total", vec!["1 GiB".into()])],
            ..Layers::default()
        };
        let config = load(&layers).expect("valid");
        assert_eq!(config.storage.max_ttl.to_string(), "3d");
        assert_eq!(config.limits.watches, 5);
        assert_eq!(config.storage.quota_total.to_string(), "1 GiB");
        assert_eq!(config.server.bind, ["[::]:1", "127.0.0.1:2"]);
        assert_eq!(config.limits.connections_per_ip, 32, "untouched keys keep their default");
    }

    #[test]
    fn a_file_may_set_half_of_a_rate() {
        let dir = tempfile::tempdir().expect("temp");
        let file = dir.path().join("harbor.toml");
        std::fs::write(&file, "[limits]\nrequests = { burst = 7 }\n").expect("write");
        let config = load(&Layers { files: vec![file], ..Layers::default() }).expect("valid");
        assert_eq!(config.limits.requests.burst, 7);
        assert_eq!(config.limits.requests.every.to_string(), "4s");
    }

    #[test]
    fn mistakes_are_named_with_a_way_out() {
        for (mistake, expected) in [
            ("storage.max_tll=7d", "-O: unknown key storage.max_tll; did you mean storage.max_ttl?"),
            ("max_ttl=7d", "-O: unknown key max_ttl; did you mean storage.max_ttl?"),
            (
                "turn.enabled=true",
                "-O: unknown key turn.enabled; `harbor config example` shows every key there is",
            ),
            (
                "limits.requests=5",
                "-O: limits.requests is a section; set limits.requests.burst, limits.requests.every",
            ),
            ("storage.max_ttl=7", "-O: storage.max_ttl: \"7\" is no duration; write it like"),
            ("storage.quota_total=lots", "\"lots\" is no size"),
            ("limits.watches=many", "-O: limits.watches: invalid type: string \"many\""),
            ("storage.max_ttl=60d", "storage.max_ttl: 60d is outside 1h to 30d"),
            ("limits.store_bits=60", "limits.store_bits: 60 is above 32"),
            ("server.trusted_proxies=10.0.0", "server.trusted_proxies: \"10.0.0\" is no network"),
            ("database.url=postgres://x", "database.url: \"postgres://x\" cannot be used"),
            ("log", "write it as key=value"),
        ] {
            let text = set(&[mistake]).expect_err(mistake);
            assert!(text.contains(expected), "{mistake}: {text}");
        }
    }

    #[test]
    fn the_example_is_complete_and_valid() {
        let table = Table::try_from(Config::default()).expect("table");
        let mut merged = Merged::new();
        merged.add("example", table.clone()).expect("every default is a valid value");
        assert_eq!(merged.table, table);
    }
}
