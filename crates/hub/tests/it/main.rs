//! Streams as they run, under a clock that stands still unless a test moves it.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

use abanico_core::key::{PublishToken, SessionId, StreamKey};
use abanico_core::pace::Pace;
use abanico_core::stream::{EndReason, Event, Notice, Parting, Phase, Refusal, Right};
use abanico_hub::distributor::{Config, JoinError, PublishError};
use abanico_hub::feed::Next;
use abanico_hub::stream::{Audience, DistributeError};
use abanico_hub::{Distributor, Stream};
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

const ADA: SessionId = SessionId(1);
const BOB: SessionId = SessionId(2);

/// An audience that writes down what it is told.
struct Diary(mpsc::UnboundedSender<Notice>);

impl Audience<&'static str> for Diary {
    fn notice(&self, _: &Stream<&'static str>, notice: Notice) {
        assert_ne!(
            notice,
            Notice::Paused(true),
            "this audience cannot bear a pause"
        );
        self.0.send(notice).unwrap();
    }
}

struct Node {
    distributor: Distributor<&'static str>,
    told: mpsc::UnboundedReceiver<Notice>,
}

impl Node {
    fn start() -> Self {
        Self::with(Config::default())
    }

    fn with(config: Config) -> Self {
        let (diary, told) = mpsc::unbounded_channel();
        let distributor = Distributor::new(config);
        distributor.set_audience(Arc::new(Diary(diary)));
        Self { distributor, told }
    }

    async fn publish(&self, key: &str) -> Stream<&'static str> {
        let token = PublishToken::new("secret");
        let stream = self
            .distributor
            .register_publisher(StreamKey::new(key), token, ADA)
            .unwrap();
        stream.handle(Event::Start(ADA, Right::Seat)).await.unwrap();
        stream
    }

    async fn told(&mut self) -> Notice {
        self.told.recv().await.unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn packets_reach_viewers_and_only_from_the_publisher() {
    let node = Node::start();
    let cats = node.publish("cats").await;
    let mut viewer = cats.feed().cursor();
    assert_eq!(node.distributor.distribute("cats", ADA, "frame", 5), Ok(()));
    let stranger = node.distributor.distribute("cats", BOB, "forged", 6);
    assert_eq!(stranger, Err(DistributeError::NotPublisher));
    let unknown = node.distributor.distribute("dogs", ADA, "frame", 5);
    assert_eq!(unknown, Err(DistributeError::Unknown));
    assert_eq!(
        poll_fn(|cx| viewer.poll_next(cx)).await,
        Some(Next::Packet("frame"))
    );
    assert_eq!(cats.sent(), (1, 5));
}

#[tokio::test(start_paused = true)]
async fn a_stream_whose_publisher_does_not_return_ends_after_the_grace_and_is_gone() {
    let mut node = Node::start();
    let cats = node.publish("cats").await;
    assert_eq!(node.told().await, Notice::Started);
    cats.handle(Event::Lost(ADA, Parting::Abrupt))
        .await
        .unwrap();
    assert_eq!(
        node.told().await,
        Notice::PublisherLost(Duration::from_secs(10))
    );
    let started = tokio::time::Instant::now();
    assert_eq!(node.told().await, Notice::Ended(EndReason::PublisherGone));
    assert_eq!(started.elapsed(), Duration::from_secs(10));
    let late = cats.handle(Event::Claim(ADA, Right::Owner)).await;
    assert_eq!(late, Err(Refusal::Ended));
    let mut reader = cats.feed().cursor();
    assert_eq!(poll_fn(|cx| reader.poll_next(cx)).await, None);
    assert!(node.distributor.stream("cats").is_none());
}

#[tokio::test(start_paused = true)]
async fn statistics_count_live_streams_and_their_viewers() {
    let node = Node::start();
    node.publish("cats").await;
    let waiting = PublishToken::new("other");
    node.distributor
        .register_publisher(StreamKey::new("dogs"), waiting, BOB)
        .unwrap();
    node.distributor
        .register_viewer("cats", BOB, "bob".into())
        .await
        .unwrap();
    let unknown = node
        .distributor
        .register_viewer("mice", BOB, "bob".into())
        .await;
    assert_eq!(unknown, Err(JoinError::Unknown));
    let stats = node.distributor.stats();
    assert_eq!(
        (
            stats.active_streams,
            stats.total_viewers,
            stats.streams.len()
        ),
        (1, 1, 2)
    );
    let cats = stats
        .streams
        .iter()
        .find(|s| s.key.as_str() == "cats")
        .unwrap();
    assert_eq!((cats.status.phase, cats.status.viewers), (Phase::Live, 1));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_full_refuses_one_more_stream() {
    let node = Node::with(Config {
        streams_max: 1,
        ..Config::default()
    });
    node.publish("cats").await;
    let register = |key: &str| {
        let token = PublishToken::new("secret");
        node.distributor
            .register_publisher(StreamKey::new(key), token, ADA)
            .err()
    };
    assert_eq!(register("cats"), Some(PublishError::Taken));
    assert_eq!(register("dogs"), Some(PublishError::Full { max: 1 }));
}

#[tokio::test(start_paused = true)]
async fn an_audience_that_panics_costs_one_notice_and_not_the_stream() {
    let mut node = Node::start();
    let cats = node.publish("cats").await;
    assert_eq!(node.told().await, Notice::Started);
    cats.handle(Event::Pause(ADA, Right::Seat, true))
        .await
        .unwrap();
    cats.handle(Event::Pause(ADA, Right::Seat, false))
        .await
        .unwrap();
    assert_eq!(node.told().await, Notice::Paused(false));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_is_told_to_every_stream() {
    let mut node = Node::start();
    node.publish("cats").await;
    node.told().await;
    node.distributor.shutdown().await;
    assert_eq!(node.told().await, Notice::Ended(EndReason::Shutdown));
}

#[tokio::test(start_paused = true)]
async fn viewers_beyond_the_nodes_limit_are_refused_and_those_who_leave_make_room() {
    let node = Node::with(Config {
        viewers_max: 2,
        ..Config::default()
    });
    let cats = node.publish("cats").await;
    let join = |viewer| {
        node.distributor
            .register_viewer("cats", SessionId(viewer), "v".into())
    };
    join(2).await.unwrap();
    join(3).await.unwrap();
    assert_eq!(join(4).await, Err(JoinError::Full { max: 2 }));
    cats.handle(Event::Leave(SessionId(2))).await.unwrap();
    join(4).await.unwrap();
    assert_eq!(node.distributor.viewers(), 2);
    cats.handle(Event::End(ADA, Right::Seat)).await.unwrap();
    assert_eq!(node.distributor.viewers(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_waits_to_be_let_in_has_a_place_of_those_that_there_are() {
    let node = Node::with(Config {
        viewers_max: 3,
        join_pace: Pace {
            burst: 1,
            per_second: 10.0,
            patience: Duration::from_secs(1),
        },
        ..Config::default()
    });
    node.publish("cats").await;
    let mut joining = tokio::task::JoinSet::new();
    for viewer in 2..10 {
        let distributor = node.distributor.clone();
        joining.spawn(async move {
            distributor
                .register_viewer("cats", SessionId(viewer), "v".into())
                .await
        });
    }
    let answers = joining.join_all().await;
    let refused = answers
        .iter()
        .filter(|answer| **answer == Err(JoinError::Full { max: 3 }));
    assert_eq!(refused.count(), 5);
    assert_eq!(node.distributor.viewers(), 3);
}

#[tokio::test(start_paused = true)]
async fn who_goes_while_it_waits_to_be_let_in_leaves_its_place_to_others() {
    let node = Node::with(Config {
        viewers_max: 1,
        join_pace: Pace {
            burst: 0,
            per_second: 10.0,
            patience: Duration::from_secs(1),
        },
        ..Config::default()
    });
    let cats = node.publish("cats").await;
    let join = |viewer| {
        node.distributor
            .register_viewer("cats", SessionId(viewer), "v".into())
    };
    join(2).await.unwrap();
    cats.handle(Event::Leave(SessionId(2))).await.unwrap();
    let impatient = tokio::time::timeout(Duration::from_millis(1), join(3)).await;
    assert!(impatient.is_err(), "it had to wait for its turn");
    assert_eq!(join(4).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_node_without_reserves_takes_no_new_viewers_and_keeps_the_old() {
    let node = Node::start();
    let cats = node.publish("cats").await;
    node.distributor
        .register_viewer("cats", BOB, "bob".into())
        .await
        .unwrap();
    node.distributor.set_exhausted(true);
    let refused = node
        .distributor
        .register_viewer("cats", SessionId(3), "v".into())
        .await;
    assert_eq!(refused, Err(JoinError::Exhausted));
    assert_eq!(cats.status().viewers, 1);
    node.distributor.set_exhausted(false);
    node.distributor
        .register_viewer("cats", SessionId(3), "v".into())
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_viewers_is_let_in_at_the_pace_and_what_is_too_much_told_when_to_return() {
    let pace = Pace {
        burst: 10,
        per_second: 100.0,
        patience: Duration::from_secs(1),
    };
    let node = Node::with(Config {
        join_pace: pace,
        ..Config::default()
    });
    node.publish("cats").await;
    let start = tokio::time::Instant::now();
    let mut joining = tokio::task::JoinSet::new();
    for viewer in 2..=202 {
        let distributor = node.distributor.clone();
        joining.spawn(async move {
            let joined = distributor
                .register_viewer("cats", SessionId(viewer), "v".into())
                .await;
            (joined, start.elapsed())
        });
    }
    let mut refused = 0;
    for (joined, after) in joining.join_all().await {
        assert!(
            after <= Duration::from_millis(1010),
            "nobody waits longer than it may"
        );
        match joined {
            Ok(()) => {}
            Err(JoinError::Busy { after }) => {
                assert!(after > Duration::from_secs(1));
                refused += 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!((80..=100).contains(&refused), "{refused} refused");
    assert_eq!(node.distributor.viewers(), 201 - refused);
}
