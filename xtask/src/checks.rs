//! What can be said of the sources without running them.

use crate::step::{Run, answers, cargo, command, go};
use anyhow::bail;

/// Everything that a reviewer should not have to say.
pub(crate) fn all(run: &mut Run) -> anyhow::Result<()> {
    run.step("format", || go(&mut cargo(&["fmt", "--all", "--check"])))?;
    run.step("web check", || {
        go(&mut command("npm", &["--prefix", "web", "run", "check"]))
    })?;
    run.step("clippy", || {
        go(&mut cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ]))
    })?;
    run.step("doc", || {
        go(cargo(&["doc", "--workspace", "--no-deps", "--locked"])
            .env("RUSTDOCFLAGS", "-D warnings"))
    })
}

/// Mends what can be mended by itself.
pub(crate) fn fix(run: &mut Run) -> anyhow::Result<()> {
    run.step("clippy", || {
        let clippy = [
            "clippy",
            "--fix",
            "--allow-dirty",
            "--allow-staged",
            "--workspace",
            "--all-targets",
        ];
        go(&mut cargo(&clippy))
    })?;
    run.step("format", || go(&mut cargo(&["fmt", "--all"])))?;
    run.step("web", || {
        go(&mut command("npm", &["--prefix", "web", "run", "fix"]))
    })
}

/// What is looked at before a release, since its tools must be compiled first.
pub(crate) fn audit(run: &mut Run) -> anyhow::Result<()> {
    run.step("licences, bans, sources", || {
        let checks = ["deny", "check", "bans", "licenses", "sources"];
        with_tool("deny", &checks, "cargo-deny")
    })?;
    run.step("advisories", || {
        if !answers("cargo", &["deny", "fetch", "db"]) {
            println!(
                "   NOT CHECKED: the database of advisories (RustSec) cannot be reached from here"
            );
            return Ok(());
        }
        with_tool("deny", &["deny", "check", "advisories"], "cargo-deny")
    })?;
    run.step("unused dependencies", || {
        with_tool("machete", &["machete"], "cargo-machete")
    })?;
    run.step("npm", || {
        go(&mut command(
            "npm",
            &["--prefix", "web", "audit", "--omit=dev"],
        ))
    })
}

fn with_tool(subcommand: &str, args: &[&str], package: &str) -> anyhow::Result<()> {
    if !answers("cargo", &[subcommand, "--version"]) {
        bail!("{package} is not here: type `cargo install --locked {package}`");
    }
    go(&mut cargo(args))
}
