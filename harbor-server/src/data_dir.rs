//! The folder that makes a node the same node after a restart.

use crate::config::Config;
use crate::failure::Failure;
use harbor_proto::crypto::{Secret, sign::Keypair};
use harbor_proto::id::EndpointId;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The open data directory; holds its lock until dropped.
#[derive(Debug)]
pub(crate) struct DataDir {
    /// Who this node is.
    pub(crate) id: EndpointId,
    /// The SQLite file.
    pub(crate) database: PathBuf,
    _lock: File,
    _temporary: Option<tempfile::TempDir>,
}

impl DataDir {
    /// Opens the configured directory, or makes a temporary one that goes away with the process.
    ///
    /// # Errors
    /// The operator's: the folder cannot be written, or another node uses it.
    pub(crate) fn open(config: &mut Config, temporary: bool) -> Result<Self, Failure> {
        let temporary = temporary.then(tempfile::tempdir).transpose();
        let temporary =
            temporary.map_err(|e| Failure::other(format!("no temporary folder can be made: {e}")))?;
        if let Some(dir) = &temporary {
            config.server.data_dir = dir.path().to_owned();
        }
        let dir = config.server.data_dir.clone();
        make(&dir)?;
        let lock = lock(&dir)?;
        let id = identity(&dir.join("node.key"))?;
        let database = config.database_file()?;
        touch(&database)?;
        Ok(Self { id, database, _lock: lock, _temporary: temporary })
    }
}

fn cannot(what: &str, path: &Path, e: &std::io::Error) -> Failure {
    Failure::other(format!(
        "{} cannot be {what}: {e}. Make it writable for this user, or choose another folder with --data-dir DIR.",
        path.display()
    ))
}

fn make(dir: &Path) -> Result<(), Failure> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| cannot("made", dir, &e))
}

/// Two nodes on one database would hand out the same log numbers twice.
fn lock(dir: &Path) -> Result<File, Failure> {
    let path = dir.join("harbor.lock");
    let file = private()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|e| cannot("written", &path, &e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(Failure::other(format!(
            "another harbor is running on {}. Stop it first, or choose another folder with --data-dir DIR.",
            dir.display()
        ))),
        Err(std::fs::TryLockError::Error(e)) => Err(cannot("locked", &path, &e)),
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// The node's key, made on the first start. Written beside its place and renamed, so that a crash leaves
/// either no key or a whole one.
fn identity(path: &Path) -> Result<EndpointId, Failure> {
    let mut seed = Secret([0; 32]);
    match File::open(path) {
        Ok(mut file) => {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map_err(|e| cannot("read", path, &e))?;
            seed.0 = bytes.try_into().map_err(|_| {
                Failure::other(format!(
                    "{} is damaged: a node key is 32 bytes. Restore it from a backup; deleting it gives this node a \
                     new identity.",
                    path.display()
                ))
            })?;
        }
        Err(e) if e.kind() == ErrorKind::NotFound => {
            getrandom::fill(&mut seed.0)
                .map_err(|e| Failure::other(format!("the system gives no random bytes: {e}")))?;
            let new = path.with_extension("new");
            let write = |file: &mut File| file.write_all(&seed.0).and_then(|()| file.sync_all());
            private()
                .create(true)
                .truncate(true)
                .write(true)
                .open(&new)
                .and_then(|mut file| write(&mut file))
                .and_then(|()| std::fs::rename(&new, path))
                .and_then(|()| File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all())
                .map_err(|e| cannot("written", path, &e))?;
        }
        Err(e) => return Err(cannot("read", path, &e)),
    }
    Ok(EndpointId(Keypair::from_secret(&seed).public()))
}

/// SQLite gives its side files the mode of the database, so it is made here, readable by this user alone.
fn touch(database: &Path) -> Result<(), Failure> {
    if let Some(dir) = database.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        make(dir)?;
    }
    private().append(true).create(true).open(database).map(drop).map_err(|e| cannot("written", database, &e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn config(dir: &Path) -> Config {
        let mut config = Config::default();
        config.server.data_dir = dir.join("data");
        config
    }

    #[test]
    fn the_identity_stays_and_is_private() {
        let temp = tempfile::tempdir().expect("temp");
        let mut config = config(temp.path());
        let first = DataDir::open(&mut config, false).expect("open");
        let busy = DataDir::open(&mut config, false).expect_err("locked").to_string();
        assert!(busy.contains("another harbor"), "{busy}");
        let id = first.id;
        drop(first);
        assert_eq!(DataDir::open(&mut config, false).expect("again").id, id);
        for file in ["node.key", "harbor.db", "harbor.lock"] {
            let mode = std::fs::metadata(config.server.data_dir.join(file)).expect(file).permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
    }

    #[test]
    fn a_damaged_key_is_never_replaced() {
        let temp = tempfile::tempdir().expect("temp");
        let mut config = config(temp.path());
        drop(DataDir::open(&mut config, false).expect("open"));
        let key = config.server.data_dir.join("node.key");
        std::fs::write(&key, b"short").expect("write");
        let text = DataDir::open(&mut config, false).expect_err("damaged").to_string();
        assert!(text.contains("damaged"), "{text}");
        assert_eq!(std::fs::read(&key).expect("read"), b"short");
    }

    #[test]
    fn a_folder_that_cannot_be_made_says_what_to_do() {
        let temp = tempfile::tempdir().expect("temp");
        std::fs::write(temp.path().join("data"), b"a file").expect("write");
        let text =
            DataDir::open(&mut config(temp.path()), false).expect_err("a file is in the way").to_string();
        assert!(text.contains("--data-dir"), "{text}");
    }
}
