//! The newest packets of a stream, in order, and where a reader stands in them.
//!
//! Pure state: a sequence number is a place, and a reader keeps its own. The ring never waits for a reader. One that fell
//! too far behind is told so by [`Ring::read`] and must choose a newer place; who wakes readers is `abanico-hub`'s matter.
//!
//! Invariant: what is held never exceeds [`Bounds::held_bytes_max`] by more than one packet.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How much a ring holds, and how far behind a reader may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The most bytes held. Beyond that the oldest packets go, read or not.
    pub held_bytes_max: usize,
    /// The longest that a packet is held.
    pub held_for_max: Duration,
    /// A reader with more bytes than this before it is lagging.
    pub lag_bytes_max: usize,
    /// A reader whose next packet is older than this is lagging.
    pub lag_for_max: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            held_bytes_max: 16 << 20,
            held_for_max: Duration::from_secs(15),
            lag_bytes_max: 8 << 20,
            lag_for_max: Duration::from_secs(2),
        }
    }
}

/// What a reader finds at its place.
#[derive(Debug, PartialEq, Eq)]
pub enum Read<'a, P> {
    /// The next packet.
    Packet(&'a P),
    /// Nothing yet: the reader has everything.
    Empty,
    /// The reader is further behind than the bounds allow. Its next packet is still held.
    Lagging(Behind),
    /// The reader's next packet is gone.
    Lost(Behind),
}

/// How far behind a reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behind {
    /// Packets before it.
    pub packets: u64,
    /// Bytes before it, of those packets that are still held.
    pub bytes: u64,
}

/// The newest packets of a stream.
#[derive(Debug)]
pub struct Ring<P> {
    bounds: Bounds,
    slots: VecDeque<Slot<P>>,
    /// The number of the packet that comes next.
    head: u64,
    /// All bytes ever pushed.
    pushed_bytes: u64,
    held_bytes: usize,
}

#[derive(Debug)]
struct Slot<P> {
    packet: P,
    bytes: usize,
    /// All bytes pushed before this packet.
    ahead: u64,
    pushed_at: Instant,
}

impl<P> Ring<P> {
    /// An empty ring.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            slots: VecDeque::new(),
            head: 0,
            pushed_bytes: 0,
            held_bytes: 0,
        }
    }

    /// Takes the newest packet, which weighs `bytes`, and lets go of what is too old or too much. Returns its number.
    pub fn push(&mut self, packet: P, bytes: usize, now: Instant) -> u64 {
        self.slots.push_back(Slot {
            packet,
            bytes,
            ahead: self.pushed_bytes,
            pushed_at: now,
        });
        self.pushed_bytes += bytes as u64;
        self.held_bytes += bytes;
        self.head += 1;
        self.trim(now);
        self.head - 1
    }

    /// Lets go of packets older than the bounds allow.
    pub fn trim(&mut self, now: Instant) {
        while let Some(oldest) = self.slots.front() {
            let too_much = self.held_bytes > self.bounds.held_bytes_max && self.slots.len() > 1;
            let too_old =
                now.saturating_duration_since(oldest.pushed_at) > self.bounds.held_for_max;
            if !too_much && !too_old {
                break;
            }
            self.held_bytes -= oldest.bytes;
            self.slots.pop_front();
        }
    }

    /// Lets go of the oldest packets until no more than `bytes` are held, or only the newest packet.
    pub fn shrink_to(&mut self, bytes: usize) {
        while self.held_bytes > bytes
            && self.slots.len() > 1
            && let Some(oldest) = self.slots.pop_front()
        {
            self.held_bytes -= oldest.bytes;
        }
    }

    /// Lets go of the packets before `place`, which nobody can use any more. The newest is held in any case.
    pub fn let_go_before(&mut self, place: u64) {
        while self.tail() < place
            && self.slots.len() > 1
            && let Some(oldest) = self.slots.pop_front()
        {
            self.held_bytes -= oldest.bytes;
        }
        // What is held for a moment's crowd needs much room, and what is held otherwise hardly any.
        if self.slots.len() * 8 < self.slots.capacity() {
            self.slots.shrink_to(self.slots.len() * 2);
        }
    }

    /// Lets go of the packets that a reader which comes to them now is moved past: to be used where that is so of all.
    pub fn let_go_of_late(&mut self, now: Instant) {
        while self.slots.len() > 1
            && let Read::Lagging(_) = self.read(self.tail(), now)
        {
            self.let_go_before(self.tail() + 1);
        }
    }

    /// The place after the newest packet: where a reader begins that wants only what is to come.
    pub fn head(&self) -> u64 {
        self.head
    }

    /// The oldest place that is still held.
    pub fn tail(&self) -> u64 {
        self.head - self.slots.len() as u64
    }

    /// The bytes held.
    pub fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// What stands at `place`, for a reader that looks at `now`.
    pub fn read(&self, place: u64, now: Instant) -> Read<'_, P> {
        if place >= self.head {
            return Read::Empty;
        }
        let Some(index) = place.checked_sub(self.tail()) else {
            return Read::Lost(self.behind(place));
        };
        let slot = &self.slots[usize::try_from(index).expect("an index into a deque in memory")];
        let behind = self.pushed_bytes - slot.ahead;
        let last = place + 1 == self.head;
        let too_much = behind > self.bounds.lag_bytes_max as u64;
        let too_old = now.saturating_duration_since(slot.pushed_at) > self.bounds.lag_for_max;
        if !last && (too_much || too_old) {
            return Read::Lagging(self.behind(place));
        }
        Read::Packet(&slot.packet)
    }

    /// What stands at `place`, however late, as long as it is held.
    pub fn peek(&self, place: u64) -> Option<&P> {
        let index = place.checked_sub(self.tail())?;
        self.slots
            .get(usize::try_from(index).ok()?)
            .map(|slot| &slot.packet)
    }

    /// The packets from `place` on that are held and together weigh no more than `bytes_max`; the first in any case.
    pub fn run(&self, place: u64, bytes_max: usize) -> impl Iterator<Item = &P> {
        let first = place
            .checked_sub(self.tail())
            .and_then(|index| usize::try_from(index).ok())
            .map_or(self.slots.len(), |index| index.min(self.slots.len()));
        let mut weight = 0;
        self.slots
            .range(first..)
            .take_while(move |slot| {
                let is_first = weight == 0;
                weight += slot.bytes;
                is_first || weight <= bytes_max
            })
            .map(|slot| &slot.packet)
    }

    fn behind(&self, place: u64) -> Behind {
        let held_from = place.max(self.tail());
        let ahead = held_from
            .checked_sub(self.tail())
            .and_then(|index| self.slots.get(usize::try_from(index).ok()?))
            .map_or(self.pushed_bytes, |slot| slot.ahead);
        Behind {
            packets: self.head - place,
            bytes: self.pushed_bytes - ahead,
        }
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "a test needs some moment to begin at"
)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bounds() -> Bounds {
        Bounds {
            held_bytes_max: 100,
            held_for_max: Duration::from_secs(10),
            lag_bytes_max: 50,
            lag_for_max: Duration::from_secs(2),
        }
    }

    #[test]
    fn what_nobody_can_use_is_let_go_of_but_for_the_newest() {
        let now = Instant::now();
        let mut ring = Ring::new(bounds());
        for number in 0..5 {
            ring.push(number, 10, now);
        }
        ring.let_go_before(3);
        assert_eq!((ring.tail(), ring.held_bytes()), (3, 20));
        assert_eq!(ring.read(3, now), Read::Packet(&3));
        assert!(matches!(ring.read(2, now), Read::Lost(_)));
        ring.let_go_before(100);
        assert_eq!((ring.tail(), ring.head(), ring.held_bytes()), (4, 5, 10));
    }

    #[test]
    fn of_what_is_late_for_all_nothing_is_held() {
        let began = Instant::now();
        let mut ring = Ring::new(bounds());
        for number in 0..4 {
            ring.push(number, 10, began + Duration::from_secs(number));
        }
        ring.let_go_of_late(began + Duration::from_secs(3));
        assert_eq!(ring.tail(), 1, "two seconds are not late");
        ring.push(4, 45, began + Duration::from_secs(3));
        ring.let_go_of_late(began + Duration::from_secs(3));
        assert_eq!(ring.tail(), 4, "nor are fifty bytes");
        ring.let_go_of_late(began + Duration::from_secs(300));
        assert_eq!(ring.tail(), 4, "the newest is held");
    }

    #[test]
    fn a_reader_that_keeps_up_gets_every_packet_in_order() {
        let now = Instant::now();
        let mut ring = Ring::new(bounds());
        for number in 0..100u32 {
            let place = ring.push(number, 10, now);
            assert_eq!(ring.read(place, now), Read::Packet(&number));
            assert_eq!(ring.read(place + 1, now), Read::Empty);
        }
    }

    #[test]
    fn a_run_is_one_packet_or_as_many_as_weigh_little() {
        let now = Instant::now();
        let mut ring = Ring::new(bounds());
        for (number, bytes) in [40, 10, 5, 5, 30].into_iter().enumerate() {
            ring.push(number, bytes, now);
        }
        let run = |place, bytes_max| ring.run(place, bytes_max).copied().collect::<Vec<_>>();
        assert_eq!(run(0, 20), [0]);
        assert_eq!(run(1, 20), [1, 2, 3]);
        assert_eq!(run(1, 1_000), [1, 2, 3, 4]);
        assert!(run(5, 20).is_empty());
    }

    #[test]
    fn a_reader_with_too_many_bytes_before_it_is_lagging() {
        let now = Instant::now();
        let mut ring = Ring::new(bounds());
        for number in 0..6 {
            ring.push(number, 10, now);
        }
        assert_eq!(
            ring.read(0, now),
            Read::Lagging(Behind {
                packets: 6,
                bytes: 60
            })
        );
        assert_eq!(ring.read(1, now), Read::Packet(&1));
    }

    #[test]
    fn a_reader_whose_next_packet_is_old_is_lagging_unless_it_is_the_newest() {
        let now = Instant::now();
        let later = now + Duration::from_secs(3);
        let mut ring = Ring::new(bounds());
        ring.push('a', 10, now);
        assert_eq!(ring.read(0, later), Read::Packet(&'a'));
        ring.push('b', 10, later);
        assert_eq!(
            ring.read(0, later),
            Read::Lagging(Behind {
                packets: 2,
                bytes: 20
            })
        );
        assert_eq!(ring.read(1, later), Read::Packet(&'b'));
    }

    #[test]
    fn a_ring_that_must_shrink_keeps_the_newest_packet() {
        let now = Instant::now();
        let mut ring = Ring::new(bounds());
        (0..5).for_each(|number| {
            ring.push(number, 10, now);
        });
        ring.shrink_to(25);
        assert_eq!((ring.tail(), ring.held_bytes()), (3, 20));
        ring.shrink_to(0);
        assert_eq!(ring.read(4, now), Read::Packet(&4));
    }

    #[test]
    fn what_is_too_old_is_gone_for_a_reader_that_comes_late() {
        let now = Instant::now();
        let mut ring = Ring::new(bounds());
        ring.push('a', 10, now);
        ring.push('b', 20, now + Duration::from_secs(11));
        assert_eq!(ring.tail(), 1);
        let read = ring.read(0, now + Duration::from_secs(11));
        assert_eq!(
            read,
            Read::Lost(Behind {
                packets: 2,
                bytes: 20
            })
        );
        assert_eq!(ring.peek(0), None);
        assert_eq!(ring.peek(1), Some(&'b'));
    }

    proptest! {
        #[test]
        fn a_ring_never_holds_more_than_its_bound_and_one_packet(
            sizes in prop::collection::vec(0usize..80, 1..200),
        ) {
            let now = Instant::now();
            let mut ring = Ring::new(bounds());
            for (number, size) in sizes.iter().enumerate() {
                ring.push(number, *size, now);
                let held: usize = (ring.tail()..ring.head())
                    .map(|place| sizes[*ring.peek(place).unwrap()])
                    .sum();
                prop_assert_eq!(held, ring.held_bytes());
                prop_assert!(held <= 100 + size);
                prop_assert_eq!(ring.peek(ring.head() - 1), Some(&number));
            }
        }
    }
}
