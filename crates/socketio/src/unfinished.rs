//! What stands unfinished of what clients say, counted for each address and for all together: messages, events and bodies
//! that are not whole, and those that wait to be handled.
//!
//! When it is more than may be, that is ended which has stood longest, of what is at least half as much as the others': who finishes
//! what it says is never that, and what is small frees nothing. Whoever is spared (a publisher: not everybody may be one) goes
//! only where the rest has less than half of what may be. Ends nobody itself: each account brings what ends it.
//! Invariants: an address that is not counted counts among all; nobody's end is called under the lock, and nobody is woken.

mod books;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;

use books::{Books, Entry};

/// So many bytes may stand unfinished, and what is told to who is ended when there are more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnfinishedMax {
    /// How many.
    pub bytes: usize,
    /// The sentence: no more than the 123 bytes that a close frame has for it.
    pub told: &'static str,
}

/// All that stands unfinished.
#[derive(Debug)]
pub struct Unfinished {
    of_address: UnfinishedMax,
    of_all: UnfinishedMax,
    books: Mutex<Books>,
}

/// Ends who has an account, and says why.
type End = Box<dyn FnOnce(&'static str) + Send>;

impl Unfinished {
    /// Nothing yet.
    pub fn new(of_address: UnfinishedMax, of_all: UnfinishedMax) -> Arc<Self> {
        Arc::new(Self {
            of_address,
            of_all,
            books: Mutex::default(),
        })
    }

    /// How many bytes stand unfinished now.
    pub fn bytes(&self) -> usize {
        self.books.lock().bytes()
    }

    /// An account for something that has begun to stand, of an address if that is counted. `end` ends it, with the sentence
    /// that is told.
    pub fn open(
        self: &Arc<Self>,
        from: Option<IpAddr>,
        end: impl FnOnce(&'static str) + Send + 'static,
    ) -> Account {
        let end = Box::new(end);
        let entry = Entry {
            from,
            bytes: 0,
            is_spared: false,
            end,
        };
        let number = self.books.lock().enter(entry);
        let books = Arc::clone(self);
        Account { books, number }
    }

    /// Those that must go, by the accounts that are open.
    fn beyond(&self, books: &mut Books, from: Option<IpAddr>) -> Vec<(Entry, &'static str)> {
        let mut gone = Vec::new();
        while let Some(number) = books.longest_of(from, self.of_address.bytes) {
            gone.extend(books.end(number).map(|entry| (entry, self.of_address.told)));
        }
        while let Some(number) = books.longest(self.of_all.bytes) {
            gone.extend(books.end(number).map(|entry| (entry, self.of_all.told)));
        }
        gone
    }
}

/// What stands unfinished of one thing that is being said, until this is dropped.
pub struct Account {
    books: Arc<Unfinished>,
    number: u64,
}

impl Account {
    /// So many bytes stand now. What is too much with them is ended, which may be this.
    pub fn set(&self, bytes: usize) {
        let mut books = self.books.books.lock();
        let gone = match books.set(self.number, bytes) {
            Some((before, from)) if bytes > before => self.books.beyond(&mut books, from),
            _ => Vec::new(),
        };
        let waited = books.room(self.books.of_all.bytes);
        drop(books);
        for (entry, told) in gone {
            (entry.end)(told);
        }
        waited.into_iter().for_each(std::task::Waker::wake);
    }

    /// Ready when more of it may be taken. Of what is much that is only when what was ended has gone: it may be on its way to
    /// hear of that.
    pub fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        let mut books = self.books.books.lock();
        books.poll_room(self.number, self.books.of_all.bytes, cx)
    }

    /// What stood has been finished, and something else has begun.
    pub fn renew(&mut self) {
        let mut books = self.books.books.lock();
        if let Some(entry) = books.leave(self.number) {
            self.number = books.enter(entry);
        }
    }

    /// It is a publisher's: others go before it.
    pub fn spare(&mut self) {
        let mut books = self.books.books.lock();
        if let Some(entry) = books.leave(self.number) {
            let is_spared = true;
            self.number = books.enter(Entry { is_spared, ..entry });
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let mut books = self.books.books.lock();
        let entry = books.leave(self.number);
        books.forget(self.number);
        let waited = books.room(self.books.of_all.bytes);
        drop(books);
        // What ends it is foreign code, which must not run under the lock.
        drop(entry);
        waited.into_iter().for_each(std::task::Waker::wake);
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Account").field(&self.number).finish()
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("from", &self.from)
            .field("bytes", &self.bytes)
            .field("is_spared", &self.is_spared)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    const OF_ADDRESS: UnfinishedMax = UnfinishedMax {
        bytes: 100,
        told: "address",
    };
    const OF_ALL: UnfinishedMax = UnfinishedMax {
        bytes: 200,
        told: "all",
    };

    /// One that counts how often it is woken.
    fn counting_waker() -> (Waker, Arc<AtomicUsize>) {
        struct Counting(Arc<AtomicUsize>);
        impl Wake for Counting {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let count = Arc::default();
        let counting = Counting(Arc::clone(&count));
        (Waker::from(Arc::new(counting)), count)
    }

    /// Accounts, each with a name that is noted when it is ended.
    struct World {
        unfinished: Arc<Unfinished>,
        ended: Arc<Mutex<Vec<(u32, &'static str)>>>,
    }

    impl World {
        fn new() -> Self {
            let unfinished = Unfinished::new(OF_ADDRESS, OF_ALL);
            let ended = Arc::default();
            Self { unfinished, ended }
        }

        fn open(&self, name: u32, from: Option<u32>, bytes: usize) -> Account {
            let ended = Arc::clone(&self.ended);
            let from = from.map(|from| IpAddr::from(Ipv4Addr::from_bits(from)));
            let end = move |told| ended.lock().push((name, told));
            let account = self.unfinished.open(from, end);
            account.set(bytes);
            account
        }

        fn ended(&self) -> Vec<(u32, &'static str)> {
            std::mem::take(&mut self.ended.lock())
        }
    }

    #[test]
    fn beyond_its_share_an_address_loses_what_has_stood_longest_and_no_other_address_does() {
        let world = World::new();
        let _other = world.open(1, Some(7), 90);
        let accounts: Vec<_> = (2..5).map(|name| world.open(name, Some(8), 30)).collect();
        assert_eq!(world.ended(), []);
        let _fourth = world.open(5, Some(8), 30);
        assert_eq!(world.ended(), [(2, "address")]);
        // What has ended stands no longer, whatever it still says.
        accounts[0].set(1000);
        assert_eq!(world.unfinished.bytes(), 90 + 90);
        drop(accounts);
        assert_eq!(world.unfinished.bytes(), 90 + 30);
        assert_eq!(world.ended(), []);
    }

    #[test]
    fn who_says_more_than_others_goes_after_what_has_stood_longer() {
        let world = World::new();
        let _many: Vec<_> = (0..9).map(|name| world.open(name, Some(8), 10)).collect();
        let _honest = world.open(10, Some(8), 19);
        assert_eq!(world.ended(), [(0, "address")]);
    }

    #[test]
    fn what_is_small_stays_however_long_it_has_stood() {
        let world = World::new();
        let _small: Vec<_> = (0..20).map(|name| world.open(name, Some(8), 1)).collect();
        let _large = [world.open(20, Some(8), 40), world.open(21, Some(8), 39)];
        assert_eq!(world.ended(), []);
        let _more = world.open(22, Some(8), 40);
        assert_eq!(world.ended(), [(20, "address")]);
    }

    #[test]
    fn who_finishes_one_message_after_the_other_has_not_stood_long() {
        let world = World::new();
        let mut busy = world.open(1, Some(8), 30);
        let _standing = [world.open(2, Some(8), 30), world.open(3, Some(8), 30)];
        busy.set(0);
        busy.renew();
        busy.set(50);
        assert_eq!(world.ended(), [(2, "address")]);
        busy.set(80);
        assert_eq!(world.ended(), [(3, "address")]);
        // Alone it may have all that there is, and no more.
        busy.set(101);
        assert_eq!(world.ended(), [(1, "address")]);
    }

    #[test]
    fn many_addresses_together_have_a_bound_too_and_who_is_not_counted_is_among_them() {
        let world = World::new();
        let _uncounted = [world.open(1, None, 60), world.open(2, None, 60)];
        let _counted: Vec<_> = (3..5)
            .map(|name| world.open(name, Some(name), 40))
            .collect();
        assert_eq!(world.ended(), []);
        let _one_more = world.open(5, Some(5), 40);
        assert_eq!(world.ended(), [(1, "all")]);
        assert_eq!(world.unfinished.bytes(), 180);
    }

    #[test]
    fn who_is_spared_goes_after_all_others_however_long_it_has_stood() {
        let world = World::new();
        let mut publisher = world.open(1, Some(8), 0);
        publisher.spare();
        publisher.set(40);
        let others: Vec<_> = (2..8).map(|name| world.open(name, Some(8), 30)).collect();
        let ended: Vec<_> = world.ended().into_iter().map(|(name, _)| name).collect();
        assert_eq!(ended, [2, 3, 4, 5]);
        drop(others);
        // Of those who are spared it is the same once more.
        let mut second = world.open(8, Some(8), 0);
        second.spare();
        let _other = world.open(9, Some(8), 30);
        second.set(60);
        assert_eq!(world.ended(), [(1, "address")]);
    }

    #[test]
    fn who_says_much_waits_until_what_was_ended_has_gone_and_nobody_else_does() {
        let world = World::new();
        let mut accounts: Vec<_> = (1..4).map(|name| world.open(name, None, 60)).collect();
        let small = world.open(4, None, 9);
        let mut publisher = world.open(5, None, 9);
        publisher.spare();
        let (waker, woken) = counting_waker();
        let cx = Context::from_waker(&waker);
        assert!(accounts[2].poll_room(&cx).is_ready());
        accounts[2].set(90);
        assert_eq!(world.ended(), [(1, "all")]);
        assert!(accounts[2].poll_room(&cx).is_pending());
        assert!(small.poll_room(&cx).is_ready());
        assert!(publisher.poll_room(&cx).is_ready());
        accounts[0].set(33);
        assert_eq!(woken.load(Ordering::Relaxed), 0);
        accounts[0].set(32);
        assert_eq!(woken.load(Ordering::Relaxed), 1);
        assert!(accounts[2].poll_room(&cx).is_ready());
        accounts[0].set(60);
        assert!(accounts[2].poll_room(&cx).is_pending());
        drop(accounts.remove(0));
        assert_eq!(woken.load(Ordering::Relaxed), 2);
        assert!(accounts[1].poll_room(&cx).is_ready());
    }

    #[test]
    fn who_waits_and_goes_is_not_woken() {
        let world = World::new();
        let mut accounts: Vec<_> = (1..5).map(|name| world.open(name, None, 60)).collect();
        let (waker, woken) = counting_waker();
        let cx = Context::from_waker(&waker);
        assert!(accounts[3].poll_room(&cx).is_pending());
        drop(accounts.pop());
        drop(accounts);
        assert_eq!(woken.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn nothing_is_left_of_what_is_over() {
        let world = World::new();
        for name in 0..10 {
            drop(world.open(name, Some(name % 3), 150));
        }
        assert!(world.unfinished.books.lock().is_empty());
    }
}
