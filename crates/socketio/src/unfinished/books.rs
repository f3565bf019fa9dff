//! The accounts that are open, and which of them goes first.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::task::{Context, Poll, Waker};

use super::End;

/// The accounts by their number: the one that has stood longest has the lowest.
#[derive(Debug, Default)]
pub(super) struct Books {
    next: u64,
    accounts: HashMap<u64, Entry>,
    of_all: Shelves,
    addresses: HashMap<IpAddr, Shelves>,
    /// What was ended, and is there until whoever has it has heard of that.
    ended: HashMap<u64, usize>,
    ended_bytes: usize,
    /// Who waits until that has gone.
    waiting: HashMap<u64, Waker>,
}

/// One account.
pub(super) struct Entry {
    pub(super) from: Option<IpAddr>,
    pub(super) bytes: usize,
    /// Others go before it.
    pub(super) is_spared: bool,
    pub(super) end: End,
}

/// Those of an address, or of all.
#[derive(Debug, Default)]
struct Shelves {
    others: Shelf,
    spared: Shelf,
}

#[derive(Debug, Default)]
struct Shelf {
    accounts: BTreeSet<u64>,
    bytes: usize,
}

impl Books {
    /// How many bytes stand in open accounts.
    pub(super) fn bytes(&self) -> usize {
        self.of_all.bytes()
    }

    /// Opens an account, which is the newest.
    pub(super) fn enter(&mut self, entry: Entry) -> u64 {
        let number = self.next;
        self.next += 1;
        self.of_all.shelf(entry.is_spared).put(number, entry.bytes);
        if let Some(from) = entry.from {
            let shelves = self.addresses.entry(from).or_default();
            shelves.shelf(entry.is_spared).put(number, entry.bytes);
        }
        self.accounts.insert(number, entry);
        number
    }

    /// Takes an account out, if it is still open.
    pub(super) fn leave(&mut self, number: u64) -> Option<Entry> {
        let entry = self.accounts.remove(&number)?;
        self.waiting.remove(&number);
        self.of_all.shelf(entry.is_spared).take(number, entry.bytes);
        if let Some(from) = entry.from
            && let Some(shelves) = self.addresses.get_mut(&from)
        {
            shelves.shelf(entry.is_spared).take(number, entry.bytes);
            if shelves.is_empty() {
                self.addresses.remove(&from);
            }
        }
        Some(entry)
    }

    /// Takes one out that goes on to hold what it holds, until it has heard of its end.
    pub(super) fn end(&mut self, number: u64) -> Option<Entry> {
        let entry = self.leave(number)?;
        self.ended.insert(number, entry.bytes);
        self.ended_bytes += entry.bytes;
        Some(entry)
    }

    /// So many bytes stand now in an account, or are still there of what was ended. Returns how many stood before in an open one, and
    /// whose it is.
    pub(super) fn set(&mut self, number: u64, bytes: usize) -> Option<(usize, Option<IpAddr>)> {
        let Some(entry) = self.accounts.get_mut(&number) else {
            self.linger(number, bytes);
            return None;
        };
        let before = std::mem::replace(&mut entry.bytes, bytes);
        let (from, is_spared) = (entry.from, entry.is_spared);
        self.of_all.shelf(is_spared).change(before, bytes);
        if let Some(shelves) = from.and_then(|from| self.addresses.get_mut(&from)) {
            shelves.shelf(is_spared).change(before, bytes);
        }
        Some((before, from))
    }

    /// Nothing is there any more of what was ended.
    pub(super) fn forget(&mut self, number: u64) {
        self.linger(number, 0);
        self.ended.remove(&number);
    }

    fn linger(&mut self, number: u64, bytes: usize) {
        if let Some(before) = self.ended.get_mut(&number) {
            self.ended_bytes = self.ended_bytes - *before + bytes;
            *before = bytes;
        }
    }

    /// The account of an address that goes, if that has more than `max` bytes.
    pub(super) fn longest_of(&self, from: Option<IpAddr>, max: usize) -> Option<u64> {
        let shelves = self.addresses.get(&from?)?;
        shelves.longest(&self.accounts, max)
    }

    /// The account of all that goes, if they have more than `max` bytes.
    pub(super) fn longest(&self, max: usize) -> Option<u64> {
        self.of_all.longest(&self.accounts, max)
    }

    /// Whether what was ended leaves too little room.
    fn is_crowded(&self, max: usize) -> bool {
        self.ended_bytes > 0 && self.bytes() + self.ended_bytes > max
    }

    /// Ready when an account may have more. One that would not be ended waits for nobody.
    pub(super) fn poll_room(&mut self, number: u64, max: usize, cx: &Context<'_>) -> Poll<()> {
        let others = &self.of_all.others;
        let is_much = self
            .accounts
            .get(&number)
            .is_none_or(|entry| !entry.is_spared && entry.bytes >= others.much());
        if is_much && self.is_crowded(max) {
            self.waiting.insert(number, cx.waker().clone());
            return Poll::Pending;
        }
        self.waiting.remove(&number);
        Poll::Ready(())
    }

    /// Those who waited, if there is room again.
    pub(super) fn room(&mut self, max: usize) -> Vec<Waker> {
        if self.waiting.is_empty() || self.is_crowded(max) {
            return Vec::new();
        }
        self.waiting.drain().map(|(_, waker)| waker).collect()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let nobody = self.accounts.is_empty() && self.addresses.is_empty();
        let nothing = self.ended.is_empty() && self.waiting.is_empty();
        nobody && nothing && (self.bytes(), self.ended_bytes) == (0, 0)
    }
}

impl Shelves {
    fn shelf(&mut self, is_spared: bool) -> &mut Shelf {
        if is_spared {
            &mut self.spared
        } else {
            &mut self.others
        }
    }

    fn bytes(&self) -> usize {
        self.others.bytes + self.spared.bytes
    }

    fn is_empty(&self) -> bool {
        self.others.accounts.is_empty() && self.spared.accounts.is_empty()
    }

    /// With more than `max` bytes, which account goes.
    fn longest(&self, accounts: &HashMap<u64, Entry>, max: usize) -> Option<u64> {
        if self.bytes() <= max {
            return None;
        }
        let (others, spared) = (&self.others, &self.spared);
        let are_others = others.bytes > max / 2 || spared.accounts.is_empty();
        let shelf = if are_others { others } else { spared };
        let least = shelf.much();
        let mut longest_first = shelf.accounts.iter().copied();
        longest_first.find(|number| accounts[number].bytes >= least)
    }
}

impl Shelf {
    fn put(&mut self, number: u64, bytes: usize) {
        self.accounts.insert(number);
        self.bytes += bytes;
    }

    fn take(&mut self, number: u64, bytes: usize) {
        self.accounts.remove(&number);
        self.bytes -= bytes;
    }

    fn change(&mut self, before: usize, bytes: usize) {
        self.bytes = self.bytes - before + bytes;
    }

    /// Half of what they have on average: to end one with less would free nothing.
    fn much(&self) -> usize {
        self.bytes / self.accounts.len().max(1) / 2
    }
}
