//! A `harbor` process of its own.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

pub(crate) struct Node {
    child: Child,
    pub(crate) addr: SocketAddr,
    pub(crate) folder: tempfile::TempDir,
    log: Arc<Mutex<Vec<u8>>>,
}

impl Node {
    /// Starts it on a free port with an empty folder and the most talkative log.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut child = Command::new(env!("CARGO_BIN_EXE_harbor"))
            .args(["--serve", "--dev", "--bind", "127.0.0.1:0", "--log", "trace", "--data-dir"])
            .arg(folder.path())
            .env("HARBOR_OBSERVABILITY__ADMIN_BIND", "127.0.0.1:0")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("harbor starts");
        let log = Arc::new(Mutex::new(Vec::new()));
        let (found, address) = mpsc::channel();
        let streams: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().expect("piped")), Box::new(child.stderr.take().expect("piped"))];
        for stream in streams {
            let (log, found) = (Arc::clone(&log), found.clone());
            std::thread::spawn(move || collect(stream, &log, &found));
        }
        let addr = address.recv_timeout(Duration::from_secs(60)).expect("harbor prints its address");
        Self { child, addr, folder, log }
    }

    /// Everything it has said.
    pub(crate) fn log(&self) -> Vec<u8> {
        self.log.lock().expect("collecting does not panic").clone()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(stream: Box<dyn Read + Send>, log: &Mutex<Vec<u8>>, found: &mpsc::Sender<SocketAddr>) {
    for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
        if let Some(addr) = printed_address(&String::from_utf8_lossy(&line)) {
            let _ = found.send(addr);
        }
        let mut log = log.lock().expect("collecting does not panic");
        log.extend(line);
        log.push(b'\n');
    }
}

/// The port in `http://localhost:1234` or `http://127.0.0.1:1234`.
fn printed_address(line: &str) -> Option<SocketAddr> {
    let rest = line.split_once("http://localhost:").or_else(|| line.split_once("http://127.0.0.1:"))?.1;
    let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some(SocketAddr::from(([127, 0, 0, 1], port.parse().ok()?)))
}
