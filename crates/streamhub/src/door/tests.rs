//! That who gives up leaves: the one thing here that no wire shows.

use super::*;
use crate::Config;
use crate::gate::{Answer, Gate};
use crate::grant::Grant;
use crate::grant::Lessor;
use crate::store::Snapshot;
use abanico_core::rate::Rate;
use abanico_core::rights::{Place, Publishing, Question, Refused};
use abanico_socketio::Handshake;
use futures_util::FutureExt;
use std::sync::Arc;
use tokio::sync::mpsc;
use uuid::Uuid;

/// More turns than any task takes to hear of something.
const TURNS: usize = 100;

struct Open;

impl Gate for Open {
    fn ask<'a>(&'a self, _: &'a Handshake, _: Question<'a>) -> Answer<'a> {
        Box::pin(async { Ok(anybody()) })
    }

    fn guess(&self, _: std::net::IpAddr, _: Option<Uuid>, _: bool) -> Result<(), Refused> {
        Ok(())
    }

    fn speaks_for_many(&self, _: std::net::IpAddr) -> bool {
        true
    }

    fn newcomer(&self, _: std::net::IpAddr) -> Result<(), Rate> {
        Ok(())
    }

    fn address(&self, _: &Handshake) -> std::net::IpAddr {
        anybody().address
    }
}

fn anybody() -> Grant {
    let address = std::net::Ipv4Addr::LOCALHOST.into();
    Grant::of_nobody(Publishing::Open, Place::Here, address)
}

#[tokio::test]
async fn a_viewer_that_gives_up_while_the_stream_is_asked_leaves_its_place() {
    let (journal, _records) = mpsc::channel(16);
    let (config, known) = (Config::default(), Snapshot::default());
    let streamhub = StreamHub::new(config, known, journal, Arc::new(Open));
    let claim = Claim {
        grant: anybody(),
        title: None,
        private: false,
    };
    let _publisher = streamhub.publish("demo", &claim).await.unwrap();
    let watching = || streamhub.shared.distributor.viewers();

    let given_up = streamhub.watch("demo", &anybody()).now_or_never();
    assert!(given_up.is_none(), "the stream has been asked only");
    // The stream hears everybody in turn, hence the first before this one.
    let second = streamhub.watch("demo", &anybody()).await.unwrap();
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

#[tokio::test]
async fn a_stream_ends_with_what_it_was_opened_with_and_is_its_holders_alone() {
    let (journal, _records) = mpsc::channel(16);
    let (config, known) = (Config::default(), Snapshot::default());
    let streamhub = StreamHub::new(config, known, journal, Arc::new(Open));
    let (first, second) = (Lessor::default(), Lessor::default());
    let claim = |holder: &str, lessor: &Lessor| Claim {
        grant: Grant {
            holder: Some(holder.into()),
            lease: lessor.lease(),
            ..anybody()
        },
        title: None,
        private: false,
    };
    let publisher = streamhub.publish("demo", &claim("ada", &first)).await;
    let publisher = publisher.unwrap();
    let other = streamhub.publish("demo", &claim("eve", &second)).await;
    assert_eq!(other.err(), Some(PublishRefusal::TokenMissing));

    // Its holder is back with a newer one: the older is of no account then.
    let again = streamhub.publish("demo", &claim("ada", &second)).await;
    let again = again.unwrap();
    assert!(!publisher.has_seat());
    drop(first);
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
    }
    assert!(again.has_seat());
    drop(second);
    again.seat_lost().await;
    assert_eq!(again.withdrawn(), Some(Over::Revoked));
}
