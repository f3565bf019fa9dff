//! How the server comes up, and what it says when it cannot.

use crate::node::{Node, abanico, ran};
use std::io::Write;

#[test]
fn help_and_version_go_to_standard_output() {
    let help = ran(abanico().arg("--help"));
    assert!(help.status.success());
    assert!(String::from_utf8_lossy(&help.stdout).contains("--publisher-grace"));
    let version = ran(abanico().arg("--version"));
    assert!(String::from_utf8_lossy(&version.stdout).starts_with("abanico 0."));
}

#[test]
fn a_wrong_setting_ends_the_start_with_what_to_type() {
    let output = ran(abanico().env("ABANICO_PUBLISHER_GRACE", "10"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert_eq!(
        said,
        "abanico: environment variable ABANICO_PUBLISHER_GRACE: publisher-grace = \"10\": `10` has no unit: type for \
         example 10s or 10ms\n"
    );
}

#[test]
fn a_setting_in_the_file_is_used_and_a_misspelt_one_is_not_passed_over() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "message-bytes-max = \"7kB\"").unwrap();
    let node = Node::start_with(&["--config", file.path().to_str().unwrap()]);
    assert!(
        node.get("/socket.io/?EIO=4&transport=polling")
            .text()
            .contains("\"maxPayload\":7000")
    );

    writeln!(file, "chat-chars = 3").unwrap();
    let output = ran(abanico().arg("--config").arg(file.path()));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("line 2: there is no setting `chat-chars`\n  hint: type `chat-chars-max`"),
        "{said}"
    );
}

#[test]
fn a_port_in_use_is_named_with_what_to_type() {
    let node = Node::start();
    let output = ran(abanico()
        .args(["--listen", &node.address.to_string()])
        .arg("--data")
        .arg(node.data()));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains(&format!(
            "{} is in use by another program\n  hint: ",
            node.address
        )),
        "{said}"
    );
}

#[test]
fn a_data_directory_in_use_is_named_with_what_to_type() {
    let node = Node::start();
    let output = ran(abanico()
        .args(["--listen", "127.0.0.1:0", "--data"])
        .arg(node.data()));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains("another abanico uses the data directory") && said.contains("--data"),
        "{said}"
    );
}

#[test]
fn the_log_can_be_read_by_programs() {
    let mut node = Node::start_with_log(&["--log-format", "json"]);
    node.signal("TERM");
    let log = node.log();
    for line in log.lines() {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(
            entry["timestamp"].is_string() && entry["level"].is_string(),
            "{line}"
        );
    }
    assert!(
        log.contains("\"message\":\"listening\"") && log.contains("\"message\":\"stopped\""),
        "{log}"
    );
}
