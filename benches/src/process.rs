//! A server under measurement: a process of its own, watched through /proc.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take before a bench gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// `/proc/PID/stat` counts in these; 100 a second on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// A running server; killed when dropped.
pub struct Server {
    child: Child,
    /// `127.0.0.1:port`.
    pub address: String,
}

/// The directory of the benches.
pub fn here() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

impl Server {
    /// The real `harbor`, `HARBOR_BIN`, with the bench's configuration.
    pub fn harbor(data: &Path) -> Self {
        let program =
            std::env::var_os("HARBOR_BIN").expect("HARBOR_BIN names the program; npm run bench does");
        let mut command = Command::new(program);
        command.arg("--serve").arg("--config").arg(here().join("harbor.toml")).arg("--data-dir").arg(data);
        Self::start(command, |line| {
            let port = line.strip_prefix("Harbor is ready at http://localhost:")?;
            Some(format!("127.0.0.1:{}", port.trim_end()))
        })
    }

    /// One of benches/peers/*.mjs, told its port in `PORT`; it prints `ready`.
    pub fn node(script: &str) -> Self {
        let mut command = Command::new("node");
        command.arg("--expose-gc").arg(here().join("peers").join(script));
        let port = free_port();
        command.env("PORT", port.to_string());
        Self::start(command, |line| (line.trim() == "ready").then(|| format!("127.0.0.1:{port}")))
    }

    fn start(mut command: Command, ready: impl Fn(&str) -> Option<String>) -> Self {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("the server starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| ready(&line))
            .expect("the server says that it is ready");
        // Whatever else it prints must not block it.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }

    /// Processor time it used so far, user and system, all threads.
    pub fn cpu(&self) -> Duration {
        let stat = self.proc("stat");
        let after_name = stat.rsplit_once(')').expect("a name").1;
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        let ticks = fields[11..13].iter().map(|ticks| ticks.parse::<u32>().expect("a number")).sum::<u32>();
        TICK * ticks
    }

    /// Resident memory, bytes.
    pub fn memory(&self) -> u64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a running process");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }

    /// Lets a Node server collect its garbage, then waits until its memory stays the same.
    pub fn settled_memory(&self, garbage: bool) -> u64 {
        let start = Instant::now();
        let mut last = self.memory();
        let mut same = 0;
        while same < 5 && start.elapsed() < PATIENCE {
            if garbage {
                self.signal("USR2");
            }
            std::thread::sleep(Duration::from_millis(300));
            let now = self.memory();
            same = if now.abs_diff(last) < 64 << 10 { same + 1 } else { 0 };
            last = now;
        }
        last
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(sent.expect("kill runs").success());
    }

    fn proc(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).expect("the server runs")
    }

    /// kill -9.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("bound").port()
}
