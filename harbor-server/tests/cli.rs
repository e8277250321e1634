//! The command line: exit codes, and sentences that say what to do.

mod support;

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};
use support::{Node, harbor};

fn run(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("harbor runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status.code().expect("no signal"), text(stdout), text(stderr))
}

fn serve(args: &[&str]) -> (i32, String) {
    let (code, _, errors) = run(harbor().args(["--serve", "--dev", "--bind", "127.0.0.1:0"]).args(args));
    (code, errors)
}

#[test]
fn version_and_help() {
    let (code, version, _) = run(harbor().arg("-V"));
    assert_eq!(code, 0);
    assert!(version.starts_with(concat!("harbor ", env!("CARGO_PKG_VERSION"))), "{version}");
    assert!(version.contains("protocol 1"), "{version}");
    let (code, help, _) = run(harbor().arg("--help"));
    assert_eq!(code, 0);
    for word in ["--serve", "--dev", "--data-dir", "--max-storage", "--config", "SIGTERM", "4 port in use"] {
        assert!(help.contains(word), "{word} is missing:\n{help}");
    }
    assert_eq!(run(&mut harbor()).0, 2, "nothing to do");
    assert_eq!(run(harbor().arg("--no-such-flag")).0, 2);
}

#[test]
fn mistakes_in_the_configuration_end_with_2_and_name_the_key() {
    let dir = tempfile::tempdir().expect("temp");
    let file = dir.path().join("harbor.toml");
    let file = file.to_str().expect("UTF-8");
    for (text, expected) in [
        ("[storage]\nmax_tll = \"7d\"\n", "unknown key storage.max_tll; did you mean storage.max_ttl?"),
        ("[storge]\nmax_ttl = \"7d\"\n", "unknown key storge.max_ttl; did you mean storage.max_ttl?"),
        ("[storage]\nmax_ttl = 7\n", "storage.max_ttl: \"7\" is no duration"),
        ("[limits]\nwatches = \"many\"\n", "limits.watches: invalid type"),
        ("[storage\n", "is not valid TOML"),
    ] {
        std::fs::write(file, text).expect("write");
        let (code, _, errors) = run(harbor().args(["config", "check", "-c", file]));
        assert_eq!(code, 2, "{text}: {errors}");
        assert!(errors.contains(expected) && errors.contains(file), "{text}: {errors}");
    }
    let (code, _, errors) = run(harbor().args(["config", "check", "-c", "/no/such/file.toml"]));
    assert!(code == 2 && errors.contains("/no/such/file.toml cannot be read"), "{errors}");
    let (code, _, errors) = run(harbor().args(["config", "check"]).env("HARBOR_STORAGE__MAX_TLL", "7d"));
    assert!(code == 2 && errors.contains("HARBOR_STORAGE__MAX_TLL: unknown key storage.max_tll"), "{errors}");
    let (code, errors) = serve(&["--log", "no=such=filter"]);
    assert!(code == 2 && errors.contains("observability.log"), "{errors}");
    let (code, errors) = serve(&["--bind", "nonsense"]);
    assert!(code == 2 && errors.contains("nonsense is no address"), "{errors}");
}

#[test]
fn the_example_is_a_valid_file_and_what_is_shown_is_what_counts() {
    let dir = tempfile::tempdir().expect("temp");
    let (file, later) = (dir.path().join("harbor.toml"), dir.path().join("later.toml"));
    let (code, example, _) = run(harbor().args(["config", "example"]));
    assert_eq!(code, 0);
    std::fs::write(&file, &example).expect("write");
    let (code, shown, errors) = run(harbor().args(["config", "show", "-c"]).arg(&file));
    assert_eq!((code, &shown), (0, &example), "{errors}");

    std::fs::write(&later, "[storage]\nmax_ttl = \"7d\"\nquota_total = \"1 GiB\"\n").expect("write");
    let mut layered = harbor();
    layered.args(["config", "show", "-c"]).arg(&file).arg("-c").arg(&later);
    layered.env("HARBOR_STORAGE__QUOTA_TOTAL", "2 GiB").env("HARBOR_LIMITS__WATCHES", "12");
    let (code, shown, errors) = run(layered.args(["-O", "limits.watches=13"]));
    assert_eq!(code, 0, "{errors}");
    for line in ["max_ttl = \"7d\"", "quota_total = \"2 GiB\"", "watches = 13"] {
        assert!(shown.lines().any(|l| l == line), "{line} is missing:\n{shown}");
    }
}

#[test]
fn a_port_in_use_ends_with_4_and_says_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    let (code, _, errors) = run(harbor().args(["--serve", "--dev", "--bind", &address]));
    assert_eq!(code, 4, "{errors}");
    assert!(errors.contains(&format!("{address} is in use")) && errors.contains("--bind"), "{errors}");
}

#[test]
fn folders_and_databases_that_cannot_be_used() {
    let dir = tempfile::tempdir().expect("temp");
    let path = |name: &str| dir.path().join(name).to_str().expect("UTF-8").to_owned();
    std::fs::write(path("file"), "in the way").expect("write");
    let (code, errors) = serve(&["--data-dir", &path("file/below")]);
    assert!(code == 1 && errors.contains("--data-dir"), "{errors}");

    std::fs::create_dir(path("damaged")).expect("made");
    std::fs::write(path("damaged/harbor.db"), vec![7; 4096]).expect("write");
    let (code, errors) = serve(&["--data-dir", &path("damaged")]);
    assert!(code == 3 && errors.contains("cannot be opened"), "{errors}");

    let (code, errors) = serve(&["-O", "database.url=postgres://localhost/harbor"]);
    assert!(code == 2 && errors.contains("database.url"), "{errors}");
}

#[test]
fn one_folder_has_one_node_which_is_the_same_after_a_restart() {
    let dir = tempfile::tempdir().expect("temp");
    let data = dir.path().to_str().expect("UTF-8");
    let mut node = Node::start(dir.path(), &[]);
    let (code, errors) = serve(&["--data-dir", data]);
    assert!(code == 1 && errors.contains("another harbor is running"), "{errors}");
    let key = std::fs::read(dir.path().join("node.key")).expect("a key");
    node.signal("TERM");
    assert_eq!(node.ended().code(), Some(0));
    let _again = Node::start(dir.path(), &[]);
    assert_eq!(std::fs::read(dir.path().join("node.key")).expect("a key"), key);
}

#[test]
fn without_a_folder_a_developers_node_leaves_nothing_behind() {
    let dir = tempfile::tempdir().expect("temp");
    let mut command = harbor();
    command.args(["--serve", "--dev", "--bind", "127.0.0.1:0", "-O", "observability.log=error"]);
    command.env("TMPDIR", dir.path()).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().expect("starts");
    let entries = |path: &Path| std::fs::read_dir(path).expect("a folder").count();
    support::until("its folder", || (entries(dir.path()) == 1).then_some(()));
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().expect("piped")), &mut line)
        .expect("a line");
    assert!(line.starts_with("Harbor is ready at http://localhost:"), "{line}");
    assert!(Command::new("kill").arg(child.id().to_string()).status().expect("kill runs").success());
    assert!(child.wait().expect("our child").success());
    assert_eq!(entries(dir.path()), 0);
}

#[test]
fn health_asks_the_running_node() {
    let dir = tempfile::tempdir().expect("temp");
    let node = Node::start(dir.path(), &[]);
    let ask = |set: &str| run(harbor().args(["health", "-O", set]));
    assert_eq!(ask(&format!("observability.admin_bind={}", node.admin)).0, 0);
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound").port();
    let (code, _, errors) = ask(&format!("observability.admin_bind=127.0.0.1:{port}"));
    assert!(code == 1 && errors.contains("Is it running?"), "{errors}");
}
