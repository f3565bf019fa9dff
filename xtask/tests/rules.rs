//! The repository's own rules, each a test that prints how to mend what breaks it.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .expect("the workspace is where it was built")
}

/// The files of the repository, by their path from its root: what git knows, and what it would take.
fn files() -> Vec<String> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git is here: these are rules of a git repository");
    assert!(
        output.status.success(),
        "git ls-files: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let listed = String::from_utf8(output.stdout).expect("our paths are ASCII");
    listed
        .lines()
        .filter(|path| root().join(path).is_file())
        .map(str::to_owned)
        .collect()
}

/// The files whose content is text, with it.
fn texts() -> impl Iterator<Item = (String, String)> {
    files()
        .into_iter()
        .filter_map(|path| Some((fs::read_to_string(root().join(&path)).ok()?, path)))
        .map(|(text, path)| (path, text))
}

#[test]
fn every_source_file_is_a_module_of_its_crate() {
    let sources: HashMap<_, _> = texts().filter(|(path, _)| path.ends_with(".rs")).collect();
    let mut strays = Vec::new();
    for path in sources.keys() {
        let file = Path::new(path);
        let (Some(folder), Some(stem)) = (file.parent(), file.file_stem()) else {
            continue;
        };
        let is_root = matches!(stem.to_str(), Some("lib" | "main"));
        let is_within = path.contains("/src/") || path.contains("/tests/it/");
        if is_root || !is_within {
            continue;
        }
        let (folder, stem) = match stem.to_str() {
            Some("mod") => (folder.parent().unwrap(), folder.file_name().unwrap()),
            _ => (folder, stem),
        };
        let declaration = format!("mod {};", stem.to_string_lossy());
        let declares = |parent: PathBuf| {
            sources
                .get(&*parent.to_string_lossy())
                .is_some_and(|text| text.lines().any(|line| line.ends_with(&declaration)))
        };
        let within = ["mod.rs", "lib.rs", "main.rs"].map(|name| folder.join(name));
        if !within
            .into_iter()
            .chain([folder.with_extension("rs")])
            .any(declares)
        {
            strays.push(path.clone());
        }
    }
    assert!(
        strays.is_empty(),
        "no `mod` line leads to these files, so nothing compiles them; add one, or remove them:\n{}",
        strays.join("\n")
    );
}

#[test]
fn every_link_in_the_documentation_resolves() {
    let mut broken = Vec::new();
    for (path, text) in texts().filter(|(path, _)| path.ends_with(".md")) {
        let folder = root().join(&path).parent().unwrap().to_owned();
        for target in links(&text) {
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let file = if file.is_empty() {
                root().join(&path)
            } else {
                folder.join(file)
            };
            if !file.exists() {
                broken.push(format!("{path}: ({target}) leads to no file"));
            } else if !anchor.is_empty()
                && file.extension().is_some_and(|ending| ending == "md")
                && !headings(&fs::read_to_string(&file).unwrap()).contains(anchor)
            {
                broken.push(format!(
                    "{path}: ({target}): there is no heading for #{anchor}"
                ));
            }
        }
    }
    assert!(
        broken.is_empty(),
        "mend or remove these links:\n{}",
        broken.join("\n")
    );
}

/// The targets of a page's links that lie in the repository; code is no link.
fn links(text: &str) -> Vec<String> {
    let mut in_block = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        }
        if in_block {
            continue;
        }
        // Outside of `code`: the even pieces.
        let prose: String = line.split('`').step_by(2).collect();
        for after in prose.split("](").skip(1) {
            let Some((target, _)) = after.split_once(')') else {
                continue;
            };
            let target = target.split_whitespace().next().unwrap_or_default();
            if !target.contains("://") && !target.starts_with("mailto:") {
                found.push(target.to_owned());
            }
        }
    }
    found
}

/// The anchors that a page's headings make, as GitHub makes them.
fn headings(text: &str) -> BTreeSet<String> {
    let heading = |line: &str| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    text.lines()
        .filter(|line| line.starts_with('#'))
        .map(heading)
        .collect()
}

#[test]
fn no_file_names_a_place_on_somebody_s_machine() {
    // Put together here, so that this file does not break its own rule.
    let places = ["root/", "home/", "work/", "Users/"].map(|folder| format!("/{folder}"));
    let mut wrong = Vec::new();
    for (path, text) in texts() {
        for (number, line) in text.lines().enumerate() {
            if let Some(place) = places.iter().find(|place| names(line, place)) {
                wrong.push(format!(
                    "{path}:{}: {place}… is a place on one machine",
                    number + 1
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "name no place outside of the repository:\n{}",
        wrong.join("\n")
    );
}

/// Whether `line` has `place` as the beginning of a path, rather than in the middle of one.
fn names(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| {
            c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '}' | ')' | '~' | '*')
        })
    })
}

#[test]
fn lock_files_name_no_mirror() {
    let mut wrong = Vec::new();
    for (path, text) in texts().filter(|(path, _)| path.ends_with("package-lock.json")) {
        for line in text.lines().filter(|line| line.contains("\"resolved\"")) {
            if !line.contains("https://registry.npmjs.org/") && !line.contains("\"file:") {
                wrong.push(format!("{path}: {}", line.trim()));
            }
        }
    }
    for (path, text) in texts().filter(|(path, _)| path.ends_with("Cargo.lock")) {
        for line in text.lines().filter(|line| line.starts_with("source = ")) {
            if line != "source = \"registry+https://github.com/rust-lang/crates.io-index\"" {
                wrong.push(format!("{path}: {line}"));
            }
        }
    }
    let how = "run `npm install --package-lock-only --omit-lockfile-registry-resolved`, or take the crate from crates.io";
    assert!(
        wrong.is_empty(),
        "packages come from the public registries; {how}:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn no_built_or_recorded_file_is_committed() {
    /// No source is as large as this; a recording is.
    const BYTES_MAX: u64 = 300_000;
    let endings = [
        ".webm", ".mp4", ".mkv", ".so", ".wasm", ".exe", ".db", ".zip", ".gz",
    ];
    let wrong: Vec<_> = files()
        .into_iter()
        .filter(|path| {
            let bytes = fs::metadata(root().join(path)).map_or(0, |metadata| metadata.len());
            bytes > BYTES_MAX || endings.iter().any(|ending| path.ends_with(ending))
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "tests make their recordings themselves; remove\n{}",
        wrong.join("\n")
    );
}

#[test]
fn every_crate_takes_the_workspace_s_lints() {
    /// Exists for the two lines of unsafe code, which the workspace's lints forbid for good.
    const UNSAFE: &str = "crates/memory/Cargo.toml";
    let without: Vec<_> = texts()
        .filter(|(path, text)| {
            path.ends_with("Cargo.toml")
                && path != UNSAFE
                && !path.contains("/fuzz/")
                && !text.contains("[workspace]\n")
                && !text.contains("[lints]\nworkspace = true")
        })
        .map(|(path, _)| path)
        .collect();
    assert!(
        without.is_empty(),
        "add `[lints]` with `workspace = true` to\n{}",
        without.join("\n")
    );
}

#[test]
fn unsafe_code_is_two_lines_in_the_crate_that_exists_for_them() {
    // Put together here, so that this file does not break its own rule.
    let word = ["un", "safe"].concat();
    let openings = ["{", "fn ", "impl ", "trait ", "extern "].map(|next| format!("{word} {next}"));
    let mut found = Vec::new();
    for (path, text) in texts().filter(|(path, _)| path.ends_with(".rs")) {
        let lines = text.lines().map(str::trim).enumerate();
        let code = lines.filter(|(_, line)| !line.starts_with("//"));
        found.extend(
            code.filter(|(_, line)| openings.iter().any(|opening| line.contains(opening)))
                .map(|(number, _)| format!("{path}:{}", number + 1)),
        );
    }
    assert!(
        found.len() == 2
            && found
                .iter()
                .all(|line| line.starts_with("crates/memory/src/")),
        "there are two such lines, in crates/memory, each with its proof beside it:\n{}",
        found.join("\n")
    );
}

#[test]
fn pages_server_and_documentation_agree_on_the_events() {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let (rust, typescript, documented) = (
        read("crates/streamhub/src/names.rs"),
        read("web/src/wire/events.ts"),
        read("docs/protocol.md"),
    );
    let mut wrong = Vec::new();
    for (module, interface) in [
        ("from_client", "ClientToServer"),
        ("from_server", "ServerToClient"),
    ] {
        let server = events(block(&rust, &format!("mod {module} {{")), '"');
        let pages = events(
            block(&typescript, &format!("interface {interface} {{")),
            '\'',
        );
        assert!(
            !server.is_empty() && !pages.is_empty(),
            "the event names moved: mend this test"
        );
        for name in pages.difference(&server) {
            wrong.push(format!(
                "web/src/wire/events.ts: `{name}` in {interface} is not in names.rs, {module}"
            ));
        }
        for name in server {
            if !documented.contains(&format!("`{name}`"))
                && !documented.contains(&format!("`{name} "))
            {
                wrong.push(format!(
                    "docs/protocol.md: `{name}` (names.rs, {module}) is not there"
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "spell the event alike everywhere:\n{}",
        wrong.join("\n")
    );
}

/// From a line that opens a block to the line that closes it.
fn block<'a>(text: &'a str, opening: &str) -> &'a str {
    let from = text
        .find(opening)
        .unwrap_or_else(|| panic!("`{opening}` is no longer there: mend this test"));
    let inside = &text[from..];
    &inside[..inside.find("\n}").unwrap_or(inside.len())]
}

/// The event names in quotes: lower-case words with colons between.
fn events(text: &str, quote: char) -> BTreeSet<String> {
    let is_name = |piece: &&str| {
        piece.contains(':')
            && piece
                .chars()
                .all(|c| c.is_ascii_lowercase() || matches!(c, ':' | '-'))
    };
    text.split(quote)
        .filter(is_name)
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_refusal_names_limits_that_are_settings() {
    let names = fs::read_to_string(root().join("crates/streamhub/src/names.rs")).unwrap();
    let settings = fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    let named: Vec<_> = block(&names, "mod limit {")
        .lines()
        .filter_map(|line| line.split('"').nth(1))
        // One of two may be told where either may be the cause.
        .flat_map(|named| named.split(" or "))
        .collect();
    assert!(named.len() > 5, "the names of limits moved: mend this test");
    let unknown: Vec<_> = named
        .into_iter()
        .filter(|name| !settings.contains(&format!("| `{name}` |")))
        .collect();
    assert!(
        unknown.is_empty(),
        "names.rs, limit: no setting is called {unknown:?}"
    );
}

#[test]
fn every_test_that_the_reliability_page_names_is_there() {
    const PAGE: &str = "docs/reliability.md";
    let page = fs::read_to_string(root().join(PAGE)).unwrap();
    let faults = page.lines().filter(|line| {
        line.starts_with("| ") && !line.starts_with("| ---") && !line.contains("| promise |")
    });
    let mut wrong = Vec::new();
    for fault in faults {
        let mut named = 0;
        // The odd pieces are `code`.
        for code in fault.split('`').skip(1).step_by(2) {
            // In Rust a test is a function, elsewhere a title.
            let (file, test) = match (code.split_once("::"), code.split_once(".mjs: ")) {
                (Some((file, test)), _) => (file.to_owned(), format!("fn {test}(")),
                (None, Some((file, test))) => (format!("{file}.mjs"), test.to_owned()),
                (None, None) => continue,
            };
            named += 1;
            let is_there = fs::read_to_string(root().join(&file))
                .is_ok_and(|text| text.replace("\\'", "'").contains(&test));
            if !is_there {
                wrong.push(format!("{PAGE}: `{code}` is not there"));
            }
        }
        if named == 0 {
            wrong.push(format!("{PAGE}: no test is named in {fault}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "a promise is worth its test; name one that is there:\n{}",
        wrong.join("\n")
    );
}
