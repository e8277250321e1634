//! A real `harbor` process and a real client for it.
#![allow(dead_code, unreachable_pub, reason = "every test file uses its part")]

pub mod client;
pub mod packets;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long anything may take before a test gives up; no test is faster for a smaller one.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Limits that do not get in the way of tests of something else.
pub const OPEN: [&str; 6] = [
    "limits.store_bits=0",
    "limits.requests.every=0s",
    "limits.packets.every=0s",
    "limits.connections_per_ip=100000",
    "limits.watches=100000",
    "relay.bandwidth_per_link=1 TiB/s",
];

/// The program itself; `HARBOR_BIN` names another build of it.
pub fn harbor() -> Command {
    let program = std::env::var_os("HARBOR_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_harbor").into());
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HARBOR_") {
            command.env_remove(name);
        }
    }
    command
}

/// A running node on ports that the system chose; killed when dropped.
pub struct Node {
    child: Child,
    pub address: String,
    pub admin: String,
    log: Arc<Mutex<String>>,
}

impl Node {
    /// Starts a node on `dir` with keys set as by `-O`.
    pub fn start(dir: &Path, sets: &[&str]) -> Self {
        Self::spawn(harbor(), dir, sets)
    }

    /// As [`Node::start`], by another command that runs `harbor` with what it is given.
    pub fn spawn(mut command: Command, dir: &Path, sets: &[&str]) -> Self {
        command.args(["--serve", "--dev", "--bind", "127.0.0.1:0", "--data-dir"]).arg(dir);
        command.args(["-O", "observability.admin_bind=127.0.0.1:0"]);
        for set in sets {
            command.args(["-O", set]);
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("harbor starts");
        let log = Arc::new(Mutex::new(String::new()));
        let lines = follow(child.stdout.take().expect("piped"), &log);
        drop(follow(child.stderr.take().expect("piped"), &log));
        let mut address = String::new();
        let admin = loop {
            let line = lines
                .recv_timeout(PATIENCE)
                .unwrap_or_else(|_| panic!("no ready line: {}", log.lock().unwrap()));
            if let Some(url) = line.strip_prefix("Harbor is ready at http://localhost:") {
                address = format!("127.0.0.1:{url}");
            }
            if let Some(url) = line.strip_prefix("Metrics are at http://") {
                break url.trim_end_matches("/metrics").to_owned();
            }
        };
        Self { child, address, admin, log }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything it printed so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// kill -9.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status();
        assert!(status.expect("kill runs").success());
    }

    /// Waits for its end.
    pub fn ended(&mut self) -> ExitStatus {
        until("the process to end", || self.child.try_wait().expect("it is our child"))
    }

    /// Status and body of a page on the public port.
    pub fn get(&self, path: &str) -> (u16, String) {
        get(&self.address, path)
    }

    pub fn counters(&self) -> serde_json::Value {
        serde_json::from_str(&get(&self.admin, "/counters").1).expect("counters are JSON")
    }

    /// One counter.
    pub fn count(&self, name: &str) -> u64 {
        let counters = self.counters();
        let value = counters.get(name).or_else(|| counters["refused"].get(name));
        value.and_then(serde_json::Value::as_u64).unwrap_or_else(|| panic!("no counter {name}"))
    }

    /// Resident memory, bytes.
    pub fn memory(&self) -> u64 {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.pid())).expect("it runs");
        statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("a number") * 4096
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

fn follow(stream: impl Read + Send + 'static, log: &Arc<Mutex<String>>) -> Receiver<String> {
    let (lines, receiver) = channel();
    let log = Arc::clone(log);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let mut log = log.lock().unwrap();
            log.push_str(&line);
            log.push('\n');
            let _ = lines.send(line);
        }
    });
    receiver
}

/// Asks until there is an answer.
pub fn until<T>(what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn get(address: &str, path: &str) -> (u16, String) {
    let answer = raw(address, &format!("GET {path} HTTP/1.1\r\nHost: harbor\r\nConnection: close\r\n\r\n"));
    let (head, body) = answer.split_once("\r\n\r\n").expect("a whole answer");
    (head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status"), body.to_owned())
}

/// Sends bytes and reads until the other end closes.
pub fn raw(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers");
    String::from_utf8_lossy(&answer).into_owned()
}
