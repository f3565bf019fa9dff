//! What a machine must have beyond Rust: found, installed where that is possible, or else named.

use crate::packages;
use crate::step::{Run, answers, command, go};
use anyhow::{Context, bail, ensure};
use std::path::Path;

/// A program that the suites call, how to ask whether it is there, and Debian's package of it.
struct Tool {
    program: &'static str,
    asked: &'static [&'static str],
    package: &'static str,
}

const TOOLS: [Tool; 10] = [
    Tool {
        program: "node",
        asked: &["--version"],
        package: "nodejs",
    },
    Tool {
        program: "npm",
        asked: &["--version"],
        package: "npm",
    },
    Tool {
        program: "python3",
        asked: &["-c", "import venv, ensurepip"],
        package: "python3-venv",
    },
    Tool {
        program: "chromium",
        asked: &["--version"],
        package: "chromium",
    },
    Tool {
        // certutil has no question that it answers without a complaint.
        program: "sh",
        asked: &["-c", "command -v certutil"],
        package: "libnss3-tools",
    },
    Tool {
        program: "ffmpeg",
        asked: &["-version"],
        package: "ffmpeg",
    },
    Tool {
        program: "ffprobe",
        asked: &["-version"],
        package: "ffmpeg",
    },
    Tool {
        program: "mkvinfo",
        asked: &["--version"],
        package: "mkvtoolnix",
    },
    Tool {
        program: "valgrind",
        asked: &["--version"],
        package: "valgrind",
    },
    Tool {
        program: "git",
        asked: &["--version"],
        package: "git",
    },
];

/// Makes the machine ready for every suite.
pub(crate) fn prepare(run: &mut Run) -> anyhow::Result<()> {
    run.step("tools", tools)?;
    run.step("packages", packages::install)
}

fn tools() -> anyhow::Result<()> {
    let mut missing: Vec<_> = TOOLS
        .iter()
        .filter(|tool| !answers(tool.program, tool.asked))
        .map(|tool| tool.package)
        .collect();
    missing.dedup();
    if !missing.is_empty() {
        install(&missing)?;
        for tool in &TOOLS {
            ensure!(
                answers(tool.program, tool.asked),
                "`{}` does not run, though it was installed",
                tool.program
            );
        }
    }
    node_is_new_enough()
}

/// Installs Debian packages, if this is Debian and we may; otherwise says what to type.
fn install(packages: &[&str]) -> anyhow::Result<()> {
    let names = packages.join(" ");
    let root = command("id", &["-u"])
        .output()
        .is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    if !Path::new("/etc/debian_version").exists() {
        bail!(
            "these are missing: {names} (names of Debian's packages). Install what your system calls them"
        );
    }
    if !root {
        bail!("these are missing: type `sudo apt-get install {names}`");
    }
    go(command("apt-get", &["update", "-q"]).env("DEBIAN_FRONTEND", "noninteractive"))?;
    let install = ["install", "-q", "-y", "--no-install-recommends"];
    go(command("apt-get", &install)
        .args(packages)
        .env("DEBIAN_FRONTEND", "noninteractive"))
}

fn node_is_new_enough() -> anyhow::Result<()> {
    /// What Vite and our tests want.
    const NODE_MIN: u32 = 20;
    let output = command("node", &["--version"]).output().context("node")?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let major = version
        .trim_start_matches('v')
        .split('.')
        .next()
        .and_then(|major| major.parse::<u32>().ok());
    ensure!(
        major >= Some(NODE_MIN),
        "node is {version}: version {NODE_MIN} or later is needed"
    );
    Ok(())
}
