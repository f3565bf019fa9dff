//! The npm and Python packages of the suites, installed from the pinned lists that lie beside them.

use crate::step::{Run, command, go, root};
use anyhow::Context;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Brings every list's packages up to date. What is up to date is left alone.
pub(crate) fn install() -> anyhow::Result<()> {
    for lock in lists("package-lock.json") {
        npm(lock.parent().context("a list lies in a folder")?)?;
    }
    python()
}

/// Brings the pages' packages up to date.
pub(crate) fn install_web(run: &mut Run) -> anyhow::Result<()> {
    run.step("web packages", || npm(&root().join("web")))
}

/// The Python that has our packages.
pub(crate) fn python_program() -> PathBuf {
    environment().join("bin/python")
}

fn environment() -> PathBuf {
    root().join("target/python")
}

fn npm(folder: &Path) -> anyhow::Result<()> {
    let written = |path: PathBuf| {
        fs::metadata(path)
            .and_then(|metadata| metadata.modified())
            .ok()
    };
    let installed = written(folder.join("node_modules/.package-lock.json"));
    let wanted: Option<SystemTime> =
        written(folder.join("package-lock.json")).max(written(folder.join("package.json")));
    if installed.is_some() && installed >= wanted {
        return Ok(());
    }
    go(command("npm", &["ci", "--no-audit", "--no-fund"]).current_dir(folder))
}

fn python() -> anyhow::Result<()> {
    let lists = lists("requirements.txt");
    let mut wanted = String::new();
    for list in &lists {
        wanted += &fs::read_to_string(list).with_context(|| list.display().to_string())?;
    }
    let stamp = environment().join("installed.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    let folder = environment().display().to_string();
    go(&mut command("python3", &["-m", "venv", "--clear", &folder]))?;
    if !lists.is_empty() {
        let mut pip = command(
            python_program(),
            &[
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
            ],
        );
        for list in &lists {
            pip.arg("-r").arg(list);
        }
        go(&mut pip)?;
    }
    fs::write(&stamp, wanted).with_context(|| stamp.display().to_string())
}

/// The files of this name in the places where suites live, in a fixed order.
fn lists(name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    find(&root(), name, &mut found);
    found.sort();
    found
}

fn find(folder: &Path, name: &str, found: &mut Vec<PathBuf>) {
    /// Folders that hold other people's files, or built ones.
    const FOREIGN: [&str; 6] = [
        "node_modules",
        "target",
        "dist",
        ".git",
        "data",
        "test-results",
    ];
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let here = entry.file_name();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if !FOREIGN.iter().any(|foreign| here == *foreign) {
                find(&path, name, found);
            }
        } else if here == name {
            found.push(path);
        }
    }
}
