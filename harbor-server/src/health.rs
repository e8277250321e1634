//! `harbor health`: asks the running node whether it is ready.

use crate::config::Config;
use crate::failure::Failure;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;

/// How long the node has to answer; container platforms give a check a few seconds.
const PATIENCE: Duration = Duration::from_secs(3);

/// Exit 0 when the node of this configuration answers that it is ready.
///
/// # Errors
/// The node does not answer, or says why it is not ready.
pub(crate) fn ask(config: &Config) -> Result<ExitCode, Failure> {
    let address = match config.observability.admin_bind.as_str() {
        "" => config.server.bind.first().map_or("", String::as_str),
        admin => admin,
    };
    let no_answer = |e: String| Failure::other(format!("no node answers at {address}: {e}. Is it running?"));
    let at = address.to_socket_addrs().map_err(|e| no_answer(e.to_string()))?.next();
    let at = reachable(at.ok_or_else(|| no_answer("no such address".into()))?);
    let answer = get(at).map_err(|e| no_answer(e.to_string()))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    if head.split(' ').nth(1) == Some("200") {
        return Ok(ExitCode::SUCCESS);
    }
    Err(Failure::other(format!("the node is not ready: {}", body.trim())))
}

/// An address one can connect to, for one that is listened on.
fn reachable(mut at: SocketAddr) -> SocketAddr {
    if at.ip().is_unspecified() {
        at.set_ip(match at.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    at
}

fn get(at: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&at, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET /readyz HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(16 << 10).read_to_string(&mut answer)?;
    Ok(answer)
}
