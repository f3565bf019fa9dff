//! `abanico bench` before a server of this binary.

use crate::client::Client;
use crate::material::picture;
use crate::node::{Node, abanico, ran};
use base64_simd::STANDARD;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// How long is measured: where a machine stood still for the time and nothing came, again and longer.
const DURATIONS: [&str; 3] = ["500ms", "4s", "30s"];

/// A run that has delivered so much, or the longest; and its exit code.
fn delivering(
    least: u64,
    mut run: impl FnMut(&str) -> (Option<i32>, Value),
) -> (Option<i32>, Value) {
    let mut outcome = (None, Value::Null);
    for duration in DURATIONS {
        outcome = run(duration);
        if outcome.1["delivered"].as_u64() >= Some(least) {
            break;
        }
    }
    let (_, figures) = &outcome;
    assert!(figures["delivered"].as_u64() >= Some(least), "{figures:#}");
    outcome
}

/// Load that delivers so much, with further flags.
fn load(node: &Node, least: u64, flags: &[&str]) -> (Option<i32>, Value) {
    delivering(least, |duration| {
        let flags = [&["--size", "3kB", "--duration", duration], flags].concat();
        figures(node, &flags)
    })
}

/// What five viewers found who came at once, and the exit code.
fn figures(node: &Node, flags: &[&str]) -> (Option<i32>, Value) {
    let url = format!("http://{}", node.address);
    let output = ran(abanico()
        .args(["bench", "--json", "--url", &url])
        .args(["--viewers", "5", "--ramp", "0s"])
        .args(flags));
    let figures = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), figures)
}

/// Every frame of pictures that come `way` is counted by viewers at each of `doors`.
fn counts_pictures(way: &str, doors: &[&str]) {
    let node = Node::start();
    for door in doors {
        let flags = ["--publish", way, "--door", door, "--max-lost", "0"];
        let (code, figures) = load(&node, 10, &flags);
        assert_eq!(code, Some(0), "{door}: {figures:#}");
        assert_eq!(figures["joined"], 5, "{door}: {figures:#}");
        assert_eq!(figures["latencyMs"]["count"], figures["delivered"]);
    }
}

#[test]
fn what_is_published_over_socketio_is_counted_over_every_door() {
    let doors = ["socketio", "socketio-binary", "polling", "native", "http"];
    counts_pictures("socketio", &doors);
}

#[test]
fn what_is_published_over_the_native_door_is_counted_over_every_door() {
    counts_pictures("native", &["socketio-binary", "native", "http"]);
}

#[test]
fn what_is_published_over_http_is_counted_over_every_door() {
    counts_pictures("http", &["socketio-binary", "native", "http"]);
}

#[test]
fn frames_of_a_recording_are_counted_in_webm_and_mp4_and_over_webrtc() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start();
    for (door, codec, ways) in [
        ("webm", "libvpx", &["socketio", "http"][..]),
        ("mp4", "libx264", &["socketio", "http"]),
        ("whep", "libvpx", &["http"]),
    ] {
        let film = folder.path().join(door);
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-loglevel", "error", "-f", "lavfi"]);
        ffmpeg.args(["-i", "testsrc2=size=64x64:rate=30", "-t", "2", "-g", "15"]);
        ffmpeg.args(["-c:v", codec, "-f", "matroska"]);
        assert!(ffmpeg.arg(&film).status().unwrap().success());
        for way in ways {
            let flags = ["--publish", way, "--door", door, "--file"];
            let film = film.to_str().unwrap();
            let (code, figures) = load(&node, 5, &[&flags[..], &[film]].concat());
            assert_eq!(code, Some(0), "{door}, {way}: {figures:#}");
            assert_eq!(figures["joined"], 5, "{door}, {way}: {figures:#}");
        }
    }
}

#[test]
fn video_over_webrtc_is_counted_and_timed_while_others_come_and_go() {
    let node = Node::start();
    let mut flags = vec!["--door", "whep", "--rate", "30", "--max-lost", "0"];
    flags.extend(["--churn", "1", "--storm", "1", "--half-open", "1"]);
    let (code, figures) = load(&node, 50, &flags);
    assert_eq!(code, Some(0), "{figures:#}");
    assert_eq!(figures["joined"], 5, "{figures:#}");
    for nothing in ["lost", "reordered", "refused", "broken"] {
        assert_eq!(figures[nothing], 0, "{nothing}: {figures:#}");
    }
    assert!(figures["latencyMs"]["count"].as_u64() > Some(0));
    assert!(figures["latencyMs"]["max"].as_f64() < Some(60_000.0));
    let joins = |habit: &str| figures["hostile"][habit]["joins"].as_u64();
    assert!(joins("churn") > Some(0) && joins("storm") > Some(0));
    assert_eq!(joins("half-open"), Some(0), "{figures:#}");
}

#[test]
fn a_stream_that_cannot_travel_in_webrtc_is_told_in_the_servers_words() {
    let node = Node::start();
    let (mut ada, key) = Client::live(&node, "Ada");
    let picture = STANDARD.encode_to_string(picture(100));
    let data = format!("data:image/jpeg;base64,{picture}");
    ada.emit("stream:data:send", &json!({"streamKey": key, "data": data}));
    let url = format!("http://{}", node.address);
    let output = ran(abanico()
        .args(["bench", "--url", &url, "--door", "whep", "--key", &key])
        .args(["--viewers", "2", "--ramp", "0s", "--duration", "100ms"]));
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("this stream is JPEG pictures"), "{told}");
}

#[test]
fn hostile_clients_do_what_they_are_for_and_honest_viewers_lose_nothing() {
    let node = Node::start_with(&["--header-timeout", "500ms", "--stall-timeout", "1s"]);
    let mut flags = vec!["--rate", "20", "--size", "30kB", "--duration", "6s"];
    flags.extend(["--max-lost", "0", "--max-skipped", "0"]);
    for habit in [
        "--stalled",
        "--slow",
        "--half-open",
        "--storm",
        "--fragments",
        "--churn",
    ] {
        flags.extend([habit, "2"]);
    }
    let (code, figures) = figures(&node, &flags);
    assert_eq!(code, Some(0), "{figures:#}");
    assert_eq!(figures["joined"], 5, "{figures:#}");
    for nothing in ["lost", "skipped", "reordered", "refused", "broken"] {
        assert_eq!(figures[nothing], 0, "{nothing}: {figures:#}");
    }
    let of = |habit: &str, what: &str| figures["hostile"][habit][what].as_u64().unwrap();
    for habit in ["stalled", "slow", "fragments"] {
        assert_eq!(of(habit, "connections"), 2, "{habit}: {figures:#}");
        assert_eq!(of(habit, "joins"), 2, "{habit}: {figures:#}");
    }
    // Who takes nothing is sent away, as is who does not finish its request, and comes again.
    assert_eq!(of("stalled", "endedByServer"), 2, "{figures:#}");
    assert_eq!(of("half-open", "joins"), 0, "{figures:#}");
    assert!(of("half-open", "endedByServer") > 2, "{figures:#}");
    // Single bytes are heard out.
    assert_eq!(of("fragments", "endedByServer"), 0, "{figures:#}");
    // They come again and again, and are let in.
    assert!(of("storm", "connections") > 2, "{figures:#}");
    assert!(of("storm", "joins") > 2, "{figures:#}");
    assert!(
        of("churn", "joins") > of("churn", "connections"),
        "{figures:#}"
    );
}

#[test]
fn ways_and_doors_that_do_not_go_together_are_refused_with_those_that_do() {
    for (flags, hint) in [
        (
            ["--publish", "native", "--door", "polling"],
            "--publish socketio",
        ),
        (["--publish", "http", "--door", "mp4"], "--file FILE"),
        (
            ["--publish", "socketio", "--door", "whep"],
            "leave --publish away",
        ),
        (["--slow", "1", "--door", "whep"], "--slow needs"),
    ] {
        let output = ran(abanico().arg("bench").args(flags));
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains(hint), "{told}");
    }
}

#[test]
fn a_run_that_nobody_was_let_into_fails_and_says_why() {
    let node = Node::start();
    let url = format!("http://{}", node.address);
    for door in ["socketio", "native", "http"] {
        let output = ran(abanico()
            .args(["bench", "--url", &url, "--key", "nobody-publishes-here"])
            .args(["--door", door, "--viewers", "2"])
            .args(["--ramp", "0s", "--duration", "100ms"]));
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{door}: {told}");
        let sentence = "none of the 2 viewers was let in: ";
        assert!(told.contains(sentence), "{door}: {told}");
    }
}

#[test]
fn a_file_that_is_no_recording_is_refused_with_what_it_is_and_what_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    for (begin, kind) in [
        (&b"root:x:0:0:root:/root"[..], "no media that is known"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0\0\0", "a picture"),
        (b"\0\0\0\x18ftypisom\0\0", "MP4"),
    ] {
        let file = folder.path().join("file");
        std::fs::write(&file, begin).unwrap();
        let output = ran(abanico().args(["bench", "--file"]).arg(&file));
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains(&format!("it is {kind}, ")), "{told}");
        assert!(told.contains("WebM or Matroska"), "{told}");
    }
}

#[test]
fn a_run_that_is_interrupted_tells_what_it_has_measured() {
    let node = Node::start();
    let url = format!("http://{}", node.address);
    let mut running = abanico()
        .args(["bench", "--json", "--url", &url, "--viewers", "5"])
        .args(["--ramp", "0s", "--duration", "1h", "--max-lost", "0"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary can be started");
    // A line a second: at the second the measuring has begun, half a second after the last join.
    let progress = BufReader::new(running.stderr.take().expect("it is piped")).lines();
    for line in progress.map_while(Result::ok) {
        if line.trim_start().starts_with("2 s ") {
            break;
        }
    }
    let status = Command::new("kill")
        .args(["-s", "INT", &running.id().to_string()])
        .status();
    assert!(status.is_ok_and(|status| status.success()));
    let output = running.wait_with_output().expect("it is our child");
    let figures: Value = serde_json::from_slice(&output.stdout).expect("the figures are told");
    assert_eq!(output.status.code(), Some(0), "{figures:#}");
    assert_eq!(figures["endedEarly"], true, "{figures:#}");
    assert!(figures["delivered"].as_u64() > Some(0), "{figures:#}");
    assert_eq!(figures["lost"], 0, "{figures:#}");
    assert!(figures["seconds"].as_f64() < Some(60.0), "{figures:#}");
}

/// A server that answers HTTPS too, by a certificate of its own, and where that certificate is.
fn secure_node() -> (Node, String, String) {
    let folder = tempfile::tempdir().expect("a directory for the test");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])
        .expect("a certificate can be made");
    let (certificate, key) = (
        folder.path().join("certificate.pem"),
        folder.path().join("key.pem"),
    );
    std::fs::write(&certificate, made.cert.pem()).expect("it can be written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("it can be written");
    let (certificate, key) = (certificate.display().to_string(), key.display());
    let flags = [
        "--tls-listen=127.0.0.1:0",
        &format!("--tls-certificate={certificate}"),
        &format!("--tls-key={key}"),
    ];
    let node = Node::start_in(folder, &flags);
    let port = node.tls.expect("it answers HTTPS").port();
    (node, format!("https://localhost:{port}"), certificate)
}

#[test]
fn what_is_published_and_watched_over_https_is_counted_over_every_door() {
    let (_node, url, certificate) = secure_node();
    for (way, door, more) in [
        ("socketio", "socketio", &["--slow", "1", "--churn", "1"][..]),
        ("native", "socketio-binary", &["--fragments", "1"]),
        ("http", "native", &["--stalled", "1", "--half-open", "1"]),
        ("socketio", "http", &[]),
        ("socketio", "polling", &[]),
        ("native", "whep", &[]),
    ] {
        let (code, figures) = delivering(20, |duration| {
            let output = ran(abanico()
                .args(["bench", "--json", "--url", &url, "--ca", &certificate])
                .args(["--publish", way, "--door", door, "--viewers", "5"])
                .args(["--size", "50kB", "--ramp", "0s", "--duration", duration])
                .args(["--max-lost", "0"])
                .args(more));
            let told = String::from_utf8_lossy(&output.stderr);
            let figures = serde_json::from_slice(&output.stdout).expect(&told);
            (output.status.code(), figures)
        });
        assert_eq!(code, Some(0), "{door}: {figures:#}");
        assert_eq!(figures["joined"], 5, "{door}: {figures:#}");
        let count = figures["latencyMs"]["count"].as_u64();
        assert!(count >= Some(10), "{door}: {figures:#}");
    }
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_refused_unless_any_will_do() {
    let (node, url, _certificate) = secure_node();
    let run_for = |duration: &str, url: &str, more: &[&str]| {
        let output = ran(abanico()
            .args(["bench", "--url", url, "--viewers", "1"])
            .args(["--size", "3kB", "--ramp", "0s", "--duration", duration])
            .args(more));
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), told)
    };
    let run = |url: &str, more: &[&str]| run_for(DURATIONS[0], url, more);
    let other = node.data.path().join("other.pem");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&other, made.cert.pem()).unwrap();
    let (code, told) = run(&url, &["--ca", other.to_str().unwrap()]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("--insecure takes any"), "{told}");
    // A run that nothing came in fails as well.
    let counts = |duration| run_for(duration, &url, &["--insecure"]).0 == Some(0);
    assert!(DURATIONS.into_iter().any(counts), "any certificate will do");
    let (code, told) = run(&format!("http://{}", node.address), &["--insecure"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("are for https://"), "{told}");
}

#[test]
fn a_limit_that_is_exceeded_is_an_exit_code_and_a_verdict() {
    let node = Node::start();
    let (code, figures) = load(&node, 1, &["--max-p99", "1us"]);
    assert_eq!(code, Some(1), "{figures:#}");
    assert_eq!(figures["verdict"][0]["kept"], false, "{figures:#}");
}

#[test]
fn only_this_machine_is_loaded() {
    let output = ran(abanico().args(["bench", "--url", "http://192.0.2.1:3000"]));
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(told.contains("only a loopback address"), "{told}");
}

#[test]
fn the_floor_sends_what_its_receivers_count() {
    for more in [&[][..], &["--tls"], &["--tls", "--door", "http"]] {
        let (code, figures) = delivering(10, |duration| {
            let output = ran(abanico()
                .args(["bench", "floor", "--viewers", "5", "--size", "30kB"])
                .args(["--duration", duration, "--json"])
                .args(more));
            let told = String::from_utf8_lossy(&output.stderr);
            let figures = serde_json::from_slice(&output.stdout).expect(&told);
            (output.status.code(), figures)
        });
        assert_eq!(code, Some(0), "{figures:#}");
        assert_eq!(figures["lost"], 0, "{figures:#}");
        assert!(
            figures["server"]["cpuSeconds"].as_f64() > Some(0.0),
            "{figures:#}"
        );
    }
}
