#![expect(
    clippy::disallowed_methods,
    reason = "a test needs some moment to begin at"
)]

use super::*;
use proptest::prelude::*;

const ADA: SessionId = SessionId(1);
const BOB: SessionId = SessionId(2);
const EVE: SessionId = SessionId(3);

struct World {
    stream: Stream,
    now: Instant,
}

impl World {
    fn new() -> Self {
        let stream = Stream::new(Config::default(), PublishToken::new("secret"), ADA);
        Self {
            stream,
            now: Instant::now(),
        }
    }

    fn live() -> Self {
        let mut world = Self::new();
        world.handle(Event::Start(ADA, Right::Seat)).unwrap();
        world
    }

    fn handle(&mut self, event: Event) -> Result<Vec<Notice>, Refusal> {
        self.stream.handle(event, self.now)
    }

    fn advance(&mut self, by: Duration) -> Vec<Notice> {
        self.now += by;
        self.stream.tick(self.now)
    }

    fn join(&mut self, viewer: SessionId) -> usize {
        self.handle(Event::Join(viewer, "somebody".into())).unwrap();
        self.stream.viewers().len()
    }
}

fn token(secret: &str) -> Right {
    Right::Token(PublishToken::new(secret))
}

#[test]
fn only_its_publisher_or_the_token_starts_or_ends_a_stream() {
    let mut world = World::new();
    assert_eq!(
        world.handle(Event::Start(EVE, Right::Seat)),
        Err(Refusal::NotPublisher)
    );
    assert_eq!(
        world.handle(Event::End(EVE, token("guess"))),
        Err(Refusal::NotPublisher)
    );
    assert_eq!(world.stream.phase(), Phase::Waiting);
    assert_eq!(
        world.handle(Event::Start(ADA, Right::Seat)),
        Ok(vec![Notice::Started])
    );
    let ended = world.handle(Event::End(BOB, token("secret")));
    assert_eq!(ended, Ok(vec![Notice::Ended(EndReason::Finished)]));
}

#[test]
fn an_ended_stream_neither_starts_nor_ends_again() {
    let mut world = World::live();
    world.handle(Event::End(ADA, Right::Seat)).unwrap();
    assert_eq!(
        world.handle(Event::Start(ADA, Right::Owner)),
        Err(Refusal::Ended)
    );
    assert_eq!(
        world.handle(Event::End(ADA, Right::Seat)),
        Err(Refusal::Ended)
    );
    assert_eq!(
        world.handle(Event::Join(BOB, "bob".into())),
        Err(Refusal::Ended)
    );
    assert!(world.advance(Duration::from_secs(60)).is_empty());
    assert_eq!(world.stream.deadline(), None);
}

#[test]
fn joining_twice_counts_once_and_leaving_without_joining_counts_nothing() {
    let mut world = World::live();
    assert_eq!(world.join(BOB), 1);
    assert_eq!(world.join(BOB), 1);
    assert_eq!(world.handle(Event::Leave(EVE)), Ok(vec![]));
    assert_eq!(world.stream.viewers().len(), 1);
    world.handle(Event::Leave(BOB)).unwrap();
    assert_eq!(world.stream.viewers().len(), 0);
    assert_eq!(world.stream.viewers_peak(), 1);
}

#[test]
fn a_lost_publisher_has_its_grace_and_then_all_are_told() {
    let mut world = World::live();
    world.join(BOB);
    let grace = Duration::from_secs(10);
    let lost = world.handle(Event::Lost(ADA, Parting::Abrupt));
    assert_eq!(lost, Ok(vec![Notice::PublisherLost(grace)]));
    assert_eq!(world.stream.deadline(), Some(world.now + grace));
    assert!(world.advance(Duration::from_millis(9_999)).is_empty());
    assert_eq!(world.stream.viewers().len(), 1, "viewers stay");
    let told = world.advance(Duration::from_millis(1));
    assert_eq!(told, vec![Notice::Ended(EndReason::PublisherGone)]);
}

#[test]
fn a_lost_publisher_returns_from_another_session_with_its_token_only() {
    let mut world = World::live();
    world.handle(Event::Lost(ADA, Parting::Abrupt)).unwrap();
    assert_eq!(
        world.handle(Event::Start(EVE, Right::Seat)),
        Err(Refusal::NotPublisher)
    );
    assert_eq!(
        world.handle(Event::Claim(EVE, token(""))),
        Err(Refusal::NotPublisher)
    );
    let back = world.handle(Event::Start(BOB, token("secret"))).unwrap();
    let seat = Notice::PublisherBack {
        session: BOB,
        instead_of: None,
    };
    assert_eq!(back, vec![seat, Notice::Started]);
    assert!(
        world.advance(Duration::from_secs(60)).is_empty(),
        "the grace is over"
    );
    assert_eq!(world.stream.publisher(), Some(BOB));
}

#[test]
fn a_frozen_publisher_loses_its_seat_to_its_own_token_and_its_end_changes_nothing() {
    let mut world = World::live();
    let claimed = world.handle(Event::Claim(BOB, token("secret")));
    let seat = Notice::PublisherBack {
        session: BOB,
        instead_of: Some(ADA),
    };
    assert_eq!(claimed, Ok(vec![seat]));
    assert_eq!(
        world.handle(Event::Lost(ADA, Parting::Explicit)),
        Ok(vec![])
    );
    assert_eq!(world.stream.phase(), Phase::Live);
}

#[test]
fn a_publisher_that_says_it_goes_is_not_waited_for() {
    let mut world = World::live();
    let told = world.handle(Event::Lost(ADA, Parting::Explicit));
    assert_eq!(told, Ok(vec![Notice::Ended(EndReason::PublisherGone)]));
}

#[test]
fn a_pause_is_told_once() {
    let mut world = World::live();
    let pause = |world: &mut World, paused| world.handle(Event::Pause(ADA, Right::Seat, paused));
    assert_eq!(pause(&mut world, true), Ok(vec![Notice::Paused(true)]));
    assert_eq!(pause(&mut world, true), Ok(vec![]));
    assert_eq!(pause(&mut world, false), Ok(vec![Notice::Paused(false)]));
    let refused = world.handle(Event::Pause(EVE, Right::Seat, true));
    assert_eq!(refused, Err(Refusal::NotPublisher));
}

#[test]
fn a_full_stream_refuses_one_more_and_keeps_who_is_there() {
    let config = Config {
        viewers_max: 1,
        ..Config::default()
    };
    let stream = Stream::new(config, PublishToken::new("secret"), ADA);
    let mut world = World {
        stream,
        now: Instant::now(),
    };
    world.join(BOB);
    let refused = world.handle(Event::Join(EVE, "eve".into()));
    assert_eq!(refused, Err(Refusal::Full { max: 1 }));
    assert_eq!(world.join(BOB), 1, "who is there may join again");
}

#[test]
fn who_asks_learns_whether_it_could_take_the_seat_and_takes_nothing() {
    let mut world = World::new();
    assert_eq!(
        world.handle(Event::Ask(BOB, token("wrong"))),
        Err(Refusal::NotPublisher)
    );
    assert_eq!(
        world.handle(Event::Ask(BOB, token("secret"))),
        Ok(Vec::new())
    );
    assert_eq!(world.stream.publisher(), Some(ADA));
}

fn any_event() -> impl Strategy<Value = Event> {
    let session = (1u64..6).prop_map(SessionId);
    let right = prop_oneof![
        Just(Right::Seat),
        Just(token("secret")),
        Just(token("wrong"))
    ];
    let parting = prop_oneof![Just(Parting::Explicit), Just(Parting::Abrupt)];
    prop_oneof![
        2 => (session.clone(), right.clone()).prop_map(|(s, r)| Event::Start(s, r)),
        2 => (session.clone(), right.clone()).prop_map(|(s, r)| Event::Claim(s, r)),
        1 => (session.clone(), right.clone()).prop_map(|(s, r)| Event::Ask(s, r)),
        1 => (session.clone(), right.clone()).prop_map(|(s, r)| Event::End(s, r)),
        2 => (session.clone(), right, any::<bool>()).prop_map(|(s, r, p)| Event::Pause(s, r, p)),
        6 => session.clone().prop_map(|s| Event::Join(s, "name".into())),
        4 => session.clone().prop_map(Event::Leave),
        2 => (session, parting).prop_map(|(s, p)| Event::Lost(s, p)),
    ]
}

proptest! {
    #[test]
    fn the_count_told_is_always_the_set_of_live_sessions_and_the_end_is_told_once(
        events in prop::collection::vec((any_event(), 0u64..4_000), 1..200),
    ) {
        let mut world = World::new();
        let mut present = std::collections::HashSet::new();
        let mut ends = 0;
        for (event, millis) in events {
            let mut notices = world.advance(Duration::from_millis(millis));
            notices.extend(world.handle(event).unwrap_or_default());
            for notice in notices {
                match notice {
                    Notice::Joined { viewer, count, .. } => {
                        present.insert(viewer);
                        prop_assert_eq!(count, present.len());
                    }
                    Notice::Left { viewer, count, .. } => {
                        prop_assert!(present.remove(&viewer));
                        prop_assert_eq!(count, present.len());
                    }
                    Notice::Count(count) => prop_assert_eq!(count, present.len()),
                    Notice::Ended(_) => {
                        ends += 1;
                        present.clear();
                    }
                    Notice::Started
                    | Notice::PublisherLost(_)
                    | Notice::PublisherBack { .. }
                    | Notice::Paused(_) => prop_assert_eq!(ends, 0),
                }
            }
            prop_assert_eq!(world.stream.viewers().len(), present.len());
            prop_assert!(ends <= 1);
        }
    }
}
