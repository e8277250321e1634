//! Harbor's node and its groups measured against others, all in one run. `npm run bench --
//! stores|connections|pass|group`; the page and the package are measured by the scripts beside this.
//!
//! Each bench checks what it moved, and prints Markdown.

mod connections;
mod disk;
mod figures;
mod group;
mod link;
mod mls;
mod pass;
mod process;
mod socket;
mod stores;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    // A quick look instead of a measurement: everything runs, nothing is worth believing.
    let quick = args.iter().any(|arg| arg == "--quick");
    match args.first().map(String::as_str) {
        Some("stores") => stores::run(if quick { 0.05 } else { 1.0 }),
        Some("connections") => connections::run(if quick { 500 } else { 8000 }),
        Some("group") => group::run(if quick { 50 } else { 1000 }),
        Some("pass") if quick => pass::run(0.5, 1),
        Some("pass") => pass::run(4.0, 3),
        _ => {
            eprintln!("usage: harbor-benches stores|connections|pass|group [--quick]");
            std::process::exit(2);
        }
    }
}
