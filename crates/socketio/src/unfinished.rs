//! What stands unfinished of what clients say, counted for each address and for all together: messages, events and bodies
//! that are not whole, and those that wait to be handled.
//!
//! When it is more than may be, that is ended which has stood longest, of what is at least half as much as the others': who finishes
//! what it says is never that, and what is small frees nothing. Ends nobody itself: each account brings what ends it.
//! Invariants: an address that is not counted counts among all; nobody's end is called under the lock.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

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

/// The accounts that are open, by their number: the one that has stood longest has the lowest.
#[derive(Debug, Default)]
struct Books {
    next: u64,
    accounts: BTreeMap<u64, Entry>,
    bytes: usize,
    addresses: HashMap<IpAddr, OfAddress>,
    /// What was ended, and is there until whoever has it has heard of that.
    ended: HashMap<u64, usize>,
    ended_bytes: usize,
}

#[derive(Debug, Default)]
struct OfAddress {
    accounts: BTreeSet<u64>,
    bytes: usize,
}

struct Entry {
    from: Option<IpAddr>,
    bytes: usize,
    end: End,
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
        self.books.lock().bytes
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

impl Books {
    fn enter(&mut self, entry: Entry) -> u64 {
        let number = self.next;
        self.next += 1;
        self.bytes += entry.bytes;
        if let Some(from) = entry.from {
            let of_address = self.addresses.entry(from).or_default();
            of_address.accounts.insert(number);
            of_address.bytes += entry.bytes;
        }
        self.accounts.insert(number, entry);
        number
    }

    fn leave(&mut self, number: u64) -> Option<Entry> {
        let entry = self.accounts.remove(&number)?;
        self.bytes -= entry.bytes;
        if let Some(from) = entry.from
            && let Some(of_address) = self.addresses.get_mut(&from)
        {
            of_address.accounts.remove(&number);
            of_address.bytes -= entry.bytes;
            if of_address.accounts.is_empty() {
                self.addresses.remove(&from);
            }
        }
        Some(entry)
    }

    fn end(&mut self, number: u64) -> Option<Entry> {
        let entry = self.leave(number)?;
        self.ended.insert(number, entry.bytes);
        self.ended_bytes += entry.bytes;
        Some(entry)
    }

    /// So many bytes are still there of what was ended.
    fn linger(&mut self, number: u64, bytes: usize) {
        if let Some(before) = self.ended.get_mut(&number) {
            self.ended_bytes = self.ended_bytes - *before + bytes;
            *before = bytes;
        }
    }

    /// Of an address with more than `max` bytes, the account that has stood longest of those with at least half of what they
    /// have on average.
    fn longest_of(&self, from: Option<IpAddr>, max: usize) -> Option<u64> {
        let of_address = self.addresses.get(&from?)?;
        let least = of_address.bytes / of_address.accounts.len() / 2;
        let mut oldest_first = of_address.accounts.iter().copied();
        let is_much = |number: &u64| self.accounts[number].bytes >= least;
        (of_address.bytes > max).then(|| oldest_first.find(is_much))?
    }

    /// The same of all.
    fn longest(&self, max: usize) -> Option<u64> {
        if self.bytes <= max {
            return None;
        }
        let least = self.bytes / self.accounts.len() / 2;
        let mut oldest_first = self.accounts.iter();
        let is_much = oldest_first.find(|(_, entry)| entry.bytes >= least);
        is_much.map(|(number, _)| *number)
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
        let Some(entry) = books.accounts.get_mut(&self.number) else {
            books.linger(self.number, bytes);
            return;
        };
        let (from, before) = (entry.from, std::mem::replace(&mut entry.bytes, bytes));
        books.bytes = books.bytes - before + bytes;
        if let Some(of_address) = from.and_then(|from| books.addresses.get_mut(&from)) {
            of_address.bytes = of_address.bytes - before + bytes;
        }
        let gone = if bytes > before {
            self.books.beyond(&mut books, from)
        } else {
            Vec::new()
        };
        drop(books);
        for (entry, told) in gone {
            (entry.end)(told);
        }
    }

    /// Whether more of it is to be taken only when what was ended has gone: it may be on its way to hear of that.
    pub fn must_wait(&self) -> bool {
        let books = self.books.books.lock();
        books.ended_bytes > 0 && books.bytes + books.ended_bytes > self.books.of_all.bytes
    }

    /// What stood has been finished, and something else has begun.
    pub fn renew(&mut self) {
        let mut books = self.books.books.lock();
        if let Some(entry) = books.leave(self.number) {
            self.number = books.enter(entry);
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let mut books = self.books.books.lock();
        let entry = books.leave(self.number);
        books.linger(self.number, 0);
        books.ended.remove(&self.number);
        drop(books);
        // What ends it is foreign code, which must not run under the lock.
        drop(entry);
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
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const OF_ADDRESS: UnfinishedMax = UnfinishedMax {
        bytes: 100,
        told: "address",
    };
    const OF_ALL: UnfinishedMax = UnfinishedMax {
        bytes: 200,
        told: "all",
    };

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
    fn who_goes_on_waits_until_what_was_ended_has_gone() {
        let world = World::new();
        let mut accounts: Vec<_> = (1..4).map(|name| world.open(name, None, 60)).collect();
        assert!(!accounts[2].must_wait());
        accounts[2].set(100);
        assert_eq!(world.ended(), [(1, "all")]);
        assert!(accounts[2].must_wait());
        accounts[0].set(40);
        assert!(!accounts[2].must_wait());
        accounts[0].set(41);
        assert!(accounts[2].must_wait());
        drop(accounts.remove(0));
        assert!(!accounts[1].must_wait());
    }

    #[test]
    fn nothing_is_left_of_what_is_over() {
        let world = World::new();
        for name in 0..10 {
            drop(world.open(name, Some(name % 3), 150));
        }
        let books = world.unfinished.books.lock();
        assert!(books.accounts.is_empty() && books.addresses.is_empty());
        assert!(books.ended.is_empty());
        assert_eq!((books.bytes, books.ended_bytes), (0, 0));
    }
}
