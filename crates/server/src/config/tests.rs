use super::*;
use std::collections::HashMap;

/// Reads settings from flags and an environment made up for the test.
fn read(flags: &[&str], environment: &[(&str, &str)]) -> anyhow::Result<Config> {
    let environment: HashMap<_, _> = environment.iter().copied().collect();
    let args = std::iter::once("abanico").chain(flags.iter().copied());
    Config::from_sources(args, |variable| {
        environment.get(variable).map(OsString::from)
    })
}

/// Writes a configuration file that lasts as long as the test.
fn file(text: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("abanico.toml");
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (dir, path)
}

/// What a bad configuration file is told, with its changing path taken out.
fn complaint(text: &str) -> String {
    let (_dir, path) = file(text);
    read(&["--config", &path], &[])
        .unwrap_err()
        .to_string()
        .replace(&path, "FILE")
}

#[test]
fn nothing_needs_to_be_said() {
    let config = read(&[], &[]).unwrap();
    assert_eq!(config.listen, Listen::Everywhere { port: 3000 });
    assert_eq!(config.data, PathBuf::from("data"));
    assert_eq!(config.log_format, LogFormat::Text);
}

#[test]
fn flags_win_over_environment_over_file_over_defaults() {
    let (_dir, path) = file("listen = \":1\"\nshutdown-timeout = \"1s\"\nconnections-max = 7\n");
    let flags = ["--config", &path, "--listen", ":3"];
    let config = read(
        &flags,
        &[("ABANICO_LISTEN", ":2"), ("ABANICO_SHUTDOWN_TIMEOUT", "2s")],
    )
    .unwrap();
    assert_eq!(config.listen.port(), 3);
    assert_eq!(config.connections.shutdown_timeout.to_string(), "2s");
    assert_eq!(config.connections.connections_max, Count(7));
    assert_eq!(config.connections.header_timeout.to_string(), "20s");
}

#[test]
fn the_defaults_are_those_of_the_crates_they_are_for() {
    let ours = read(&[], &[]).unwrap().dialect();
    let theirs = abanico_streamhub::Config::default();
    assert_eq!(ours.limits, theirs.limits);
    assert_eq!(ours.rates, theirs.rates);
    assert_eq!(
        format!("{:?}", ours.distributor),
        format!("{:?}", theirs.distributor)
    );
    // One bound of the process is ours to choose; for the rest the transport's own defaults are the contract.
    let expected = abanico_socketio::Config {
        sessions_max: ours.socketio.sessions_max,
        ..theirs.socketio
    };
    assert_eq!(format!("{:?}", ours.socketio), format!("{expected:?}"));
}

#[test]
fn the_serve_command_takes_the_same_settings() {
    let (_dir, path) = file("connections-max = 7\n");
    let config = read(
        &["serve", "--config", &path, "--listen", ":3"],
        &[("ABANICO_DATA", "/srv")],
    )
    .unwrap();
    assert_eq!(
        (config.listen.port(), config.connections.connections_max.0),
        (3, 7)
    );
    assert_eq!(config.data, PathBuf::from("/srv"));
}

#[test]
fn the_file_can_be_named_in_the_environment() {
    let (_dir, path) = file("listen = \":77\"\n");
    assert_eq!(
        read(&[], &[("ABANICO_CONFIG", &path)])
            .unwrap()
            .listen
            .port(),
        77
    );
}

#[test]
fn port_moves_the_listener_unless_something_more_definite_speaks() {
    let (_dir, path) = file("listen = \"127.0.0.1:1\"\n");
    let port = ("PORT", "8080");
    assert_eq!(
        read(&[], &[port]).unwrap().listen,
        Listen::Everywhere { port: 8080 }
    );
    assert_eq!(
        read(&["--config", &path], &[port])
            .unwrap()
            .listen
            .to_string(),
        "127.0.0.1:8080"
    );
    assert_eq!(read(&["--listen", ":2"], &[port]).unwrap().listen.port(), 2);
    assert_eq!(
        read(&[], &[port, ("ABANICO_LISTEN", ":4")])
            .unwrap()
            .listen
            .port(),
        4
    );
    assert_eq!(read(&[], &[("PORT", "")]).unwrap().listen.port(), 3000);
}

#[test]
fn a_complaint_names_place_key_value_and_remedy() {
    let in_environment = |variable, value| read(&[], &[(variable, value)]).unwrap_err().to_string();
    let complaints = [
        complaint("\n# times\nstall-timeout = \"20\"\n"),
        complaint("log-format = \"xml\""),
        complaint("connections-max = \"many\""),
        complaint("listen = [\":1\", \":2\"]"),
        in_environment("ABANICO_UNSENT_BYTES_MAX", "lots"),
        in_environment("PORT", "http"),
    ];
    insta::assert_snapshot!("wrong_values", complaints.join("\n\n"));
}

#[test]
fn an_unknown_key_is_refused_with_what_was_probably_meant() {
    let complaints = [
        complaint("lisen = \":1\""),
        complaint("data = \"x\"\nlog_format = \"json\""),
        complaint("[http]\nlisten = \":1\""),
        complaint("colour = 3"),
        complaint("config = \"other.toml\""),
    ];
    insta::assert_snapshot!("unknown_keys", complaints.join("\n\n"));
}

#[test]
fn a_misspelt_variable_is_noticed_and_a_foreign_one_is_not() {
    let command = Config::augment_args(Command::new("abanico"));
    let variables = [
        "ABANICO_PUBLISHER_GRCE",
        "ABANICO_BIN",
        "ABANICO_DATA",
        "OTHER",
    ];
    let noticed = layers::misspelt(&command, variables.map(str::to_owned).into_iter());
    let expected = ("ABANICO_PUBLISHER_GRCE", "ABANICO_PUBLISHER_GRACE");
    assert_eq!(noticed, [(expected.0.to_owned(), expected.1.to_owned())]);
}

#[test]
fn a_file_that_is_no_toml_or_not_there_is_named() {
    let complaints = [
        complaint("listen = \n"),
        read(&["--config", "/nowhere/x.toml"], &[])
            .unwrap_err()
            .to_string(),
    ];
    insta::assert_snapshot!("unreadable_files", complaints.join("\n\n"));
}

#[test]
fn help_teaches() {
    let help = |flag| {
        let error = read(&[flag], &[]).unwrap_err();
        error.downcast::<clap::Error>().unwrap().to_string()
    };
    insta::assert_snapshot!("short_help", help("-h"));
    insta::assert_snapshot!("long_help", help("--help"));
}

#[test]
fn every_setting_is_in_the_documentation() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let documented: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .collect();
    let command = Config::augment_args(Command::new("abanico"));
    let mut wrong = Vec::new();
    for arg in command.get_arguments() {
        let Some(name) = arg
            .get_long()
            .filter(|name| Config::settings().iter().any(|known| known == name))
        else {
            continue;
        };
        let default = arg
            .get_default_values()
            .first()
            .map(|value| value.to_string_lossy().into_owned());
        let shown = default.map_or_else(|| "none".to_owned(), |default| format!("`{default}`"));
        let row = format!(
            "| `{name}` | {shown} | {} |",
            arg.get_help().map(ToString::to_string).unwrap_or_default()
        );
        if !text.contains(&row) {
            wrong.push(row);
        }
    }
    for (name, _) in documented {
        if !Config::settings().iter().any(|known| known == name) {
            wrong.push(format!(
                "(no such setting any more: `{name}`; delete its row)"
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "docs/configuration.md: these rows are missing or out of date:\n{}",
        wrong.join("\n")
    );
}
