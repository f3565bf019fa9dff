//! A machine with nothing to spare: who comes is refused, who watches goes on.

use crate::answer::Answer;
use crate::client::Client;
use crate::material::picture;
use crate::node::{Node, PATIENCE};
use crate::socket::{Socket, connected, frame};
use crate::stream::Stream;
use serde_json::json;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

#[test]
fn without_memory_to_spare_who_comes_is_told_so_at_every_door_and_who_watches_goes_on() {
    // There is never all of it left.
    let mut node = Node::start_with_log(&["--memory-left-min", "100%"]);
    let mut log = node.take_log();
    let mut stream = Stream::open(&node);
    let watch = json!({"streamKey": stream.key});
    let viewer = || Client::register(&node, &json!({"username": "Eva", "role": "VIEWER"})).0;
    let mut old = viewer();
    old.emit("stream:join", &watch);
    old.heard("stream:joined");
    log.until("lacking=\"memory\"");

    let mut new = viewer();
    new.emit("stream:join", &watch);
    let refused = new.heard_any();
    assert_eq!(refused[0], "stream:error", "{refused}");
    assert_eq!(refused[1]["limit"], "memory-left-min or busy-max");
    let after = refused[1]["retryAfterMs"].as_u64();
    assert!(after.is_some_and(|after| after > 0), "{refused}");
    for name in ["mjpeg", "jpg"] {
        let answer = node.get(&format!("/live/{}.{name}", stream.key));
        let refused = (answer.status, answer.header("retry-after").is_some());
        // A single picture costs nothing that lasts.
        let expected = if name == "jpg" {
            (200, false)
        } else {
            (503, true)
        };
        assert_eq!(refused, expected, "{name}: {}", answer.text());
    }
    let path = format!("/live/{}", stream.key);
    let mut native = Socket::open(&node, &path, "abanico.watch.v1", "");
    native.say(r#"{"type":"watch"}"#);
    let refused = native.hear();
    assert_eq!(refused["code"], "full", "{refused}");

    let frame = base64_simd::STANDARD.encode_to_string(picture(200));
    let frame = json!({"streamKey": stream.key, "data": frame});
    stream.publisher.emit("stream:data:send", &frame);
    while old.heard("stream:data")["data"] != frame["data"] {}
}

#[test]
fn while_too_much_is_sent_who_comes_is_refused_and_then_let_in_again() {
    // Any sending is too much.
    let mut node = Node::start_with_log(&["--busy-max", "0%"]);
    let mut log = node.take_log();
    let Stream {
        mut publisher, key, ..
    } = Stream::open(&node);
    let watch = json!({"streamKey": key});
    let old = node.connect();
    let request = format!("GET /live/{key}.mjpeg HTTP/1.1\r\nHost: x\r\n\r\n");
    (&old).write_all(request.as_bytes()).unwrap();
    let mut viewer = Client::register(&node, &json!({"username": "Eva", "role": "VIEWER"})).0;

    let enough = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| while (&old).read(&mut [0; 4096]).is_ok_and(|count| count > 0) {});
        scope.spawn(|| {
            let frame = base64_simd::STANDARD.encode_to_string(picture(10_000));
            let frame = json!({"streamKey": key, "data": frame});
            while !enough.load(Ordering::Relaxed) {
                publisher.emit("stream:data:send", &frame);
            }
        });
        log.until("lacking=\"processor time\"");
        viewer.emit("stream:join", &watch);
        let refused = viewer.heard_any();
        assert_eq!(refused[0], "stream:error", "{refused}");
        enough.store(true, Ordering::Relaxed);
        log.until("the machine has room again");
        viewer.emit("stream:join", &watch);
        viewer.heard("stream:joined");
        old.shutdown(std::net::Shutdown::Both).unwrap();
    });
}

#[test]
fn as_memory_runs_out_streams_hold_less_and_nobody_is_refused_yet() {
    let number = |text: &str| text.trim().trim_end_matches(" kB").parse::<f64>().ok();
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap();
    let of = |name: &str| {
        let mut lines = meminfo.lines();
        number(lines.find_map(|line| line.strip_prefix(name)).unwrap()).unwrap()
    };
    let machine = of("MemAvailable:") / of("MemTotal:");
    let of_group = |name: &str| {
        let text = std::fs::read_to_string(format!("/sys/fs/cgroup/memory.{name}")).ok();
        text.and_then(|text| number(&text))
    };
    let group = of_group("max").and_then(|max| Some(1.0 - of_group("current")? / max));
    let left = group.map_or(machine, |group| group.min(machine));
    // More than what is to be left, and less than twice that.
    let least = format!("{}%", left / 1.5 * 100.0);
    let mut node = Node::start_with_log(&["--memory-left-min", &least]);
    node.log_until("memory is short: streams hold less");
    let stream = Stream::open(&node);
    let viewer = json!({"username": "Eva", "role": "VIEWER"});
    let (mut viewer, _) = Client::register(&node, &viewer);
    viewer.emit("stream:join", &json!({"streamKey": stream.key}));
    viewer.heard("stream:joined");
}

#[test]
fn when_memory_has_run_out_who_lets_most_wait_is_ended_and_nobody_else() {
    // Less than any process has.
    let node = Node::start_with(&["--memory-max", "1MiB"]);
    let mut publisher = Stream::open(&node).publisher;
    let user = |name: &str| json!({"username": name, "role": "VIEWER"});
    let (mut reader, _) = Client::register(&node, &user("Eva"));
    // Who is listed makes the list long.
    for at in 0..40 {
        Client::register(&node, &user(&format!("somebody with a long name {at}")));
    }
    let (slow, _) = Client::register(&node, &user("Bob"));
    let begun = Instant::now();
    loop {
        let asked = Answer::read(&mut slow.ask("users:get", &json!({})));
        if asked.status == 400 {
            break;
        }
        assert_eq!(asked.status, 200, "{}", asked.text());
        assert!(begun.elapsed() < PATIENCE, "who reads nothing is not ended");
    }
    for other in [&mut publisher, &mut reader] {
        other.emit("clock:get", &json!({}));
        other.heard("clock:now");
    }
}

#[test]
fn when_memory_has_run_out_who_does_not_finish_what_it_says_is_ended_and_nobody_else() {
    let node = Node::start_with(&["--memory-max", "1MiB", "--publishing", "open"]);
    let mut publisher = Stream::open(&node).publisher;
    let mut native = Socket::open(&node, "/live/other", "abanico.publish.v1", "");
    native.say(r#"{"type":"publish"}"#);
    native.hear();
    let mut greedy = connected(&node);
    greedy
        .write_all(&frame(0x81, b"452-[\"stream:data:send\"]"))
        .unwrap();
    greedy.write_all(&frame(0x82, &[0; 500_000])).unwrap();
    let mut heard = Vec::new();
    greedy.read_to_end(&mut heard).unwrap();
    assert!(heard.ends_with(b"message timeout"), "{heard:?}");
    native.say(r#"{"type":"clock","id":1}"#);
    while native.hear()["type"] != "clock" {}
    publisher.emit("clock:get", &json!({}));
    publisher.heard("clock:now");
}

#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn what_streams_held_goes_back_to_the_system_when_they_are_over() {
    /// More than anything else that is given back meanwhile.
    const MUCH_KB: usize = 30_000;
    let node = Node::start();
    let mut held = Vec::new();
    for _ in 0..20 {
        let mut stream = Stream::open(&node);
        let user = json!({"username": "Eva", "role": "VIEWER"});
        let (mut viewer, _) = Client::register(&node, &user);
        viewer.emit("stream:join", &json!({"streamKey": stream.key}));
        viewer.heard("stream:joined");
        // The viewer fetches nothing of this.
        for _ in 0..40 {
            let frame = base64_simd::STANDARD.encode_to_string(picture(75_000));
            let frame = json!({"streamKey": stream.key, "data": frame});
            stream.publisher.emit("stream:data:send", &frame);
        }
        held.push((stream, viewer));
    }
    let most = node.rss_kb();
    for (mut stream, mut viewer) in held {
        stream
            .publisher
            .emit("stream:end", &json!({"streamKey": stream.key}));
        viewer.emit("stream:leave", &json!({"streamKey": stream.key}));
        viewer.post("41");
    }
    let begun = Instant::now();
    while node.rss_kb() + MUCH_KB > most {
        assert!(
            begun.elapsed() < PATIENCE,
            "{} kB of {most} kB are kept",
            node.rss_kb()
        );
        std::thread::yield_now();
    }
}
