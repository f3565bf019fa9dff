//! Builds the web pages and lays them, with the Socket.IO client, into a table that `src/assets.rs`
//! includes.
//!
//! In the source tree it writes `web/node_modules` and `web/dist` only, both ignored by git, and one build at a time:
//! other builds wait at a lock in the system's directory for temporary files. What is up to date is left alone.
//!
//! Without npm, or when npm cannot install or build, a debug build goes on with a page that says what is missing. A
//! release build does so only where there is no npm at all: a broken page must not be released unseen.

use anyhow::{Context, ensure};
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// What the pages are made of, within `web/`.
const SOURCES: [&str; 10] = [
    "src",
    "public",
    "index.html",
    "streamer.html",
    "viewer.html",
    "trust.html",
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    "vite.config.ts",
];

/// The files of the npm package socket.io-client that StreamHub's server hands out; each but the `.map` has a `.map`.
const CLIENT_FILES: [&str; 4] = [
    "socket.io.js",
    "socket.io.min.js",
    "socket.io.esm.min.js",
    "socket.io.msgpack.min.js",
];

fn main() -> anyhow::Result<()> {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?);
    // Asked for as it runs: a build folder that was copied must not embed the pages of where it came from.
    let manifest =
        std::env::var_os("CARGO_MANIFEST_DIR").context("cargo sets CARGO_MANIFEST_DIR")?;
    let web = Path::new(&manifest).join("../../web");
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", web.join(source).display());
    }
    println!("cargo::rerun-if-changed=build.rs");
    // A migration that is added must be embedded.
    println!("cargo::rerun-if-changed=migrations");

    let pages = emptied(&out.join("pages"))?;
    let client = emptied(&out.join("socketio-client"))?;
    let version = match build(&web) {
        Ok(_lock) => {
            copy_tree(&web.join("dist"), &pages)?;
            copy_client(&web.join("node_modules/socket.io-client"), &client)?
        }
        Err(problem) => {
            let release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
            if release && !problem.is::<NoNpm>() {
                return Err(problem);
            }
            for line in format!("the web pages are not built in: {problem:#}").lines() {
                println!("cargo::warning={line}");
            }
            write_stand_in(&pages, &format!("{problem:#}"))?;
            "none".to_owned()
        }
    };
    let table = [
        table_of("PAGES", &pages, |bytes| format!("{:016x}", hash_of(bytes)))?,
        table_of("SOCKETIO_CLIENT", &client, |_| version.clone())?,
    ];
    fs::write(out.join("embedded.rs"), table.concat()).context("embedded.rs")
}

/// The Rust source of a table of all files in a folder, ordered by path, each with its tag.
fn table_of(name: &str, folder: &Path, tag: impl Fn(&[u8]) -> String) -> anyhow::Result<String> {
    let mut files = Vec::new();
    list(folder, folder, &mut files)?;
    files.sort();
    let mut table = format!("static {name}: &[File] = &[\n");
    for path in files {
        let whole = folder.join(&path);
        let bytes = fs::read(&whole).with_context(|| whole.display().to_string())?;
        let etag = format!("\"{}\"", tag(&bytes));
        table += &format!(
            "    File {{ path: {path:?}, etag: {etag:?}, bytes: include_bytes!({whole:?}) }},\n"
        );
    }
    Ok(table + "];\n")
}

/// Puts the paths of all files below `folder` into `files`, seen from `root`, with slashes.
fn list(root: &Path, folder: &Path, files: &mut Vec<String>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            list(root, &path, files)?;
        } else {
            let path = path.strip_prefix(root).context("below the root")?;
            files.push(
                path.to_str()
                    .context("our file names are ASCII")?
                    .replace('\\', "/"),
            );
        }
    }
    Ok(())
}

/// There is no npm on this machine.
#[derive(Debug)]
struct NoNpm;

impl std::fmt::Display for NoNpm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("npm was not found: install Node.js 20 or later (on Debian: apt-get install nodejs npm)")
    }
}

impl std::error::Error for NoNpm {}

/// Brings `web/node_modules` and `web/dist` up to date. Nobody else changes them while the lock is held.
fn build(web: &Path) -> anyhow::Result<File> {
    let lock = lock_of(web)?;
    lock.lock().context("lock of the web build")?;

    let installed = modified(&web.join("node_modules/.package-lock.json"));
    let wanted = newest(&[web.join("package.json"), web.join("package-lock.json")]);
    if installed.is_none() || installed < wanted {
        npm(web, &["ci", "--no-audit", "--no-fund"])?;
    }
    let built = modified(&web.join("dist/index.html"));
    let sources: Vec<_> = SOURCES.iter().map(|source| web.join(source)).collect();
    if built.is_none() || built < newest(&sources) {
        npm(web, &["run", "build"])?;
    }
    Ok(lock)
}

/// The lock of this very checkout's web build.
fn lock_of(web: &Path) -> anyhow::Result<File> {
    let checkout = hash_of(web.canonicalize().context("web")?);
    let path = std::env::temp_dir().join(format!("abanico-web-{checkout:016x}.lock"));
    File::options()
        .create(true)
        .append(true)
        .open(&path)
        .with_context(|| path.display().to_string())
}

/// Lines of npm's complaint that are passed on; the cause stands in the first ones.
const SAID_LINES_MAX: usize = 12;

fn npm(web: &Path, args: &[&str]) -> anyhow::Result<()> {
    let program = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let output = match Command::new(program).args(args).current_dir(web).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(NoNpm.into()),
        output => output.context("npm")?,
    };
    let said = [output.stdout, output.stderr].concat();
    let said: Vec<_> = said
        .lines()
        .map_while(Result::ok)
        .take(SAID_LINES_MAX)
        .collect();
    ensure!(
        output.status.success(),
        "`npm {}` in web/ ended with {}:\n{}",
        args.join(" "),
        output.status,
        said.join("\n")
    );
    Ok(())
}

/// When the file was last written, if it is there.
fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path)
        .and_then(|metadata| metadata.modified())
        .ok()
}

/// When the newest of these files, or of the files below these folders, was written.
fn newest(paths: &[PathBuf]) -> Option<SystemTime> {
    let below = |path: &PathBuf| -> Option<SystemTime> {
        let entries = fs::read_dir(path).ok()?;
        newest(
            &entries
                .flatten()
                .map(|entry| entry.path())
                .collect::<Vec<_>>(),
        )
    };
    paths
        .iter()
        .flat_map(|path| [modified(path), below(path)])
        .flatten()
        .max()
}

/// A number that changes with the content.
fn hash_of(content: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    hasher.finish()
}

fn emptied(folder: &Path) -> anyhow::Result<PathBuf> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| folder.display().to_string())?
        }
        _ => {}
    }
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    Ok(folder.to_owned())
}

fn copy_tree(from: &Path, to: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir_all(&target)?;
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target).with_context(|| entry.path().display().to_string())?;
        }
    }
    Ok(())
}

/// Copies the Socket.IO client and says its version.
fn copy_client(package: &Path, to: &Path) -> anyhow::Result<String> {
    for file in CLIENT_FILES {
        for name in [file.to_owned(), format!("{file}.map")] {
            let from = package.join("dist").join(&name);
            fs::copy(&from, to.join(&name)).with_context(|| from.display().to_string())?;
        }
    }
    let manifest = fs::read_to_string(package.join("package.json"))
        .context("socket.io-client's package.json")?;
    let manifest: serde_json::Value =
        serde_json::from_str(&manifest).context("socket.io-client's package.json")?;
    Ok(manifest["version"]
        .as_str()
        .context("socket.io-client has a version")?
        .to_owned())
}

/// The page of a server that was built without its pages.
fn write_stand_in(pages: &Path, problem: &str) -> anyhow::Result<()> {
    let problem = problem.replace('&', "&amp;").replace('<', "&lt;");
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>Abanico</title></head>\n<body>\n\
         <h1>Abanico is running, without its pages</h1>\n\
         <p>The server works: Socket.IO clients can publish and watch. Its pages could not be built:</p>\n\
         <pre>{problem}</pre>\n\
         <p>Install Node.js 20 or later with npm, then <code>touch web/package.json</code> and build again.</p>\n\
         </body>\n</html>\n"
    );
    for name in ["index.html", "streamer.html", "viewer.html"] {
        fs::write(pages.join(name), &page)?;
    }
    Ok(())
}
