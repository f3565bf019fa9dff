use super::*;
use std::future::poll_fn;
use std::task::Waker;
use std::time::Duration;

fn bounds() -> Bounds {
    Bounds {
        held_bytes_max: 1000,
        held_for_max: Duration::from_secs(10),
        lag_bytes_max: 500,
        lag_for_max: Duration::from_secs(2),
    }
}

fn feed() -> Feed<u32> {
    bounded(bounds())
}

fn bounded(bounds: Bounds) -> Feed<u32> {
    Feed::new(bounds, Arc::new(Budget::new(usize::MAX)))
}

fn poll(cursor: &mut Cursor<u32>) -> Poll<Option<Next<u32>>> {
    cursor.poll_next(&mut Context::from_waker(Waker::noop()))
}

async fn next(cursor: &mut Cursor<u32>) -> Option<Next<u32>> {
    poll_fn(|cx| cursor.poll_next(cx)).await
}

#[tokio::test(start_paused = true)]
async fn every_reader_gets_every_packet_from_where_it_began() {
    let feed = feed();
    let mut early = feed.cursor();
    feed.push(1, 10);
    let mut late = feed.cursor();
    feed.push(2, 10);
    assert_eq!(next(&mut early).await, Some(Next::Packet(1)));
    assert_eq!(next(&mut early).await, Some(Next::Packet(2)));
    assert_eq!(next(&mut late).await, Some(Next::Packet(2)));
    assert!(poll(&mut early).is_pending() && poll(&mut late).is_pending());
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_waits_is_woken_by_a_packet() {
    let feed = feed();
    let mut cursor = feed.cursor();
    let reader = tokio::spawn(async move { next(&mut cursor).await });
    tokio::task::yield_now().await;
    feed.push(7, 10);
    assert_eq!(reader.await.unwrap(), Some(Next::Packet(7)));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_lags_is_told_once_and_moves_on_to_the_newest() {
    let feed = feed();
    let mut slow = feed.cursor();
    for number in 0..60 {
        feed.push(number, 10);
    }
    let behind = Behind {
        packets: 60,
        bytes: 600,
    };
    assert_eq!(next(&mut slow).await, Some(Next::Lagging(behind)));
    assert_eq!(slow.skip_to(feed.head() - 1), 59);
    assert_eq!(next(&mut slow).await, Some(Next::Packet(59)));
    assert!(poll(&mut slow).is_pending());
    assert_eq!(
        slow.counts(),
        Counts {
            read: 1,
            skipped: 59
        }
    );
    drop(slow);
    assert_eq!(
        feed.counts(),
        Counts {
            read: 1,
            skipped: 59
        }
    );
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_lags_by_time_is_told_though_few_bytes_wait() {
    let feed = feed();
    let mut slow = feed.cursor();
    feed.push(1, 10);
    tokio::time::advance(Duration::from_secs(3)).await;
    feed.push(2, 10);
    assert!(matches!(next(&mut slow).await, Some(Next::Lagging(_))));
    assert_eq!(slow.read_on(), Some(1));
    assert_eq!(next(&mut slow).await, Some(Next::Packet(2)));
}

#[tokio::test(start_paused = true)]
async fn what_a_reader_missed_altogether_is_called_lost() {
    let feed = feed();
    let mut slow = feed.cursor();
    for number in 0..200 {
        feed.push(number, 10);
    }
    assert!(matches!(
        next(&mut slow).await,
        Some(Next::Lost(Behind { packets: 200, .. }))
    ));
    assert_eq!(slow.read_on(), None);
}

#[tokio::test(start_paused = true)]
async fn the_last_word_comes_after_the_last_packet_and_no_lag_drops_it() {
    let feed = feed();
    let (mut fast, mut slow) = (feed.cursor(), feed.cursor());
    for number in 1..80 {
        feed.push(number, 10);
        assert_eq!(next(&mut fast).await, Some(Next::Packet(number)));
    }
    feed.finish(Some(1000));
    feed.push(99, 10);
    assert_eq!(next(&mut fast).await, Some(Next::Packet(1000)));
    assert_eq!(next(&mut fast).await, None);
    assert!(matches!(next(&mut slow).await, Some(Next::Lagging(_))));
    slow.skip_to(feed.head());
    assert_eq!(next(&mut slow).await, Some(Next::Packet(1000)));
    assert_eq!(next(&mut slow).await, None);
}

#[tokio::test]
async fn readers_on_many_threads_miss_no_wake_up() {
    let feed = bounded(Bounds {
        lag_bytes_max: usize::MAX,
        held_bytes_max: usize::MAX,
        ..bounds()
    });
    let mut readers = Vec::new();
    for _ in 0..4 {
        let mut cursor = feed.cursor();
        readers.push(std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let mut got = 0;
                while let Some(packet) = next(&mut cursor).await {
                    assert_eq!(packet, Next::Packet(got));
                    got += 1;
                }
                got
            })
        }));
    }
    for number in 0..20_000 {
        feed.push(number, 1);
    }
    feed.finish(None);
    for reader in readers {
        assert_eq!(reader.join().unwrap(), 20_000);
    }
}
