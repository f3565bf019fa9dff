//! That who gives up leaves: the one thing here that no wire shows.

use super::*;
use crate::Config;
use crate::gate::{Answer, Gate};
use crate::store::Snapshot;
use abanico_socketio::Handshake;
use futures_util::FutureExt;
use tokio::sync::mpsc;

/// More turns than any task takes to hear of something.
const TURNS: usize = 100;

struct Open;

impl Gate for Open {
    fn may_open<'a>(&'a self, _: &'a Handshake, _: Option<&'a str>) -> Answer<'a> {
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test]
async fn a_viewer_that_gives_up_while_the_stream_is_asked_leaves_its_place() {
    let (journal, _records) = mpsc::channel(16);
    let (config, known) = (Config::default(), Snapshot::default());
    let streamhub = StreamHub::new(config, known, journal, Arc::new(Open));
    let claim = Claim {
        token: None,
        title: None,
        opening: Ok(()),
        is_operator: false,
    };
    let _publisher = streamhub.publish("demo", &claim).await.unwrap();
    let watching = || streamhub.shared.distributor.viewers();

    let given_up = streamhub.watch("demo").now_or_never();
    assert!(given_up.is_none(), "the stream has been asked only");
    // The stream hears everybody in turn, hence the first before this one.
    let second = streamhub.watch("demo").await.unwrap();
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
    }
    assert_eq!(watching(), 1, "the second alone watches");
    drop(second);
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
    }
    assert_eq!(watching(), 0);
}
