//! Checks the keys that are shown, without becoming a lever on the processor.
//!
//! To compare a key with its hash is made to be slow. So the key that was right last is known by a fast keyed hash; any
//! other is compared one at a time, while few wait; an address that showed wrong ones too often is not listened to for a
//! while; and all addresses together are compared at a pace.

use super::file::Stamp;
use super::key::KeyFile;
use super::secret::Secret;
use crate::addresses::PerAddress;
use abanico_core::rate::{Bucket, Rate};
use abanico_core::rights::Refused;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use uuid::Uuid;

/// Keys that may wait until theirs is compared. One more is refused for a moment.
const WAITING_MAX: usize = 16;

/// Keys of all addresses together that are compared: 4 a second are a tenth of one processor. More are refused for a
/// moment.
const PACE: Rate = Rate {
    burst: 20,
    per_second: 4.0,
};

/// When it is worth to try again where too many are compared at once.
const BUSY_RETRY: Duration = Duration::from_secs(1);

/// The operator's key, as it can be asked for.
#[derive(Debug)]
pub(super) struct Keys {
    file: KeyFile,
    kept: Mutex<Kept>,
    /// Of the fast hash: nobody outside the process can compute it.
    salt: [u8; 32],
    comparing: Semaphore,
    waiting: AtomicUsize,
    tries: Mutex<Tries>,
}

/// What is known of the file.
#[derive(Debug, Default)]
struct Kept {
    stamp: Option<Stamp>,
    hash: String,
    /// The fast hash of the key that was found to be right.
    right: Option<[u8; 32]>,
}

#[derive(Debug)]
struct Tries {
    of: PerAddress,
    /// Of what costs nothing to compare. It has its own: who guesses tokens shuts nobody's key out.
    guesses: PerAddress,
    /// Of tokens that publishers chose: who shows a pass of before the last start shuts no publisher out.
    chosen: PerAddress,
    all: Bucket,
}

impl Keys {
    /// `tries` bounds how often one address may show a key that must be compared.
    pub(super) fn new(file: KeyFile, tries: Rate) -> Self {
        let mut salt = [0; 32];
        getrandom::fill(&mut salt).expect("the system gives random bytes");
        Self {
            file,
            kept: Mutex::default(),
            salt,
            comparing: Semaphore::new(1),
            waiting: AtomicUsize::new(0),
            tries: Mutex::new(Tries {
                of: PerAddress::new(tries),
                guesses: PerAddress::new(tries),
                chosen: PerAddress::new(tries),
                all: Bucket::new(PACE),
            }),
        }
    }

    /// Whether this is the operator's key, shown from an address.
    pub(super) async fn check(&self, shown: &str, from: IpAddr) -> Result<(), Refused> {
        let (hash, right) = self.known();
        let key = Secret::read(shown);
        let fast = self.fast(shown.trim());
        if right.is_some_and(|right| same(&right, &fast)) {
            return Ok(());
        }
        self.tries.lock().take(from, Instant::now())?;
        let key = key.ok_or(Refused::KeyWrong)?;
        let _waits = Waits::among(&self.waiting)?;
        // The semaphore is never closed.
        let _turn = self.comparing.acquire().await;
        let compared = hash.clone();
        let is_right = tokio::task::spawn_blocking(move || key.has(&compared)).await;
        if !is_right.unwrap_or(false) {
            return Err(Refused::KeyWrong);
        }
        let mut kept = self.kept.lock();
        if kept.hash == hash {
            kept.right = Some(fast);
        }
        Ok(())
    }

    /// Counts something that was shown, cost nothing to compare and is not right against its address, and says what it
    /// is told.
    pub(super) fn wrong(&self, from: IpAddr) -> Refused {
        let taken = take(&mut self.tries.lock().guesses, from, Instant::now());
        taken.err().unwrap_or(Refused::KeyWrong)
    }

    /// Counts a token of a stream that its publisher chose, if it is wrong.
    ///
    /// # Errors
    /// When too many wrong ones came from the address: then a right one is as good as a wrong one.
    pub(super) fn guess(
        &self,
        from: IpAddr,
        apart: Option<Uuid>,
        is_right: bool,
    ) -> Result<(), Refused> {
        let (mut tries, now) = (self.tries.lock(), Instant::now());
        let bucket = tries.chosen.bucket((from, apart), now);
        if !bucket.take(now) {
            return Err(too_many(tries.chosen.rate()));
        }
        if is_right {
            bucket.give_back();
        }
        Ok(())
    }

    /// The hash, and what is known to be right. A key that was made anew meanwhile is heeded at once.
    fn known(&self) -> (String, Option<[u8; 32]>) {
        let stamp = self.file.stamp();
        let mut kept = self.kept.lock();
        if stamp.is_none() || kept.stamp != stamp {
            // Without a file no key is right.
            let hash = self.file.read().unwrap_or_default();
            *kept = Kept {
                stamp,
                hash,
                right: None,
            };
        }
        (kept.hash.clone(), kept.right)
    }

    fn fast(&self, shown: &str) -> [u8; 32] {
        let salted = Sha256::new().chain_update(self.salt);
        salted.chain_update(shown).finalize().into()
    }
}

impl Tries {
    fn take(&mut self, from: IpAddr, now: Instant) -> Result<(), Refused> {
        take(&mut self.of, from, now)?;
        if self.all.take(now) {
            Ok(())
        } else {
            Err(Refused::Busy {
                retry_after: BUSY_RETRY,
            })
        }
    }
}

fn take(tries: &mut PerAddress, from: IpAddr, now: Instant) -> Result<(), Refused> {
    if tries.take(from, now) {
        return Ok(());
    }
    Err(too_many(tries.rate()))
}

fn too_many(rate: Rate) -> Refused {
    let seconds = (1.0 / rate.per_second).clamp(1.0, 3600.0);
    Refused::TooManyWrong {
        retry_after: Duration::from_secs_f64(seconds),
    }
}

/// One who waits, for as long as it lives.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn among(count: &'a AtomicUsize) -> Result<Self, Refused> {
        let waits = Self(count);
        if count.fetch_add(1, Ordering::Relaxed) < WAITING_MAX {
            Ok(waits)
        } else {
            Err(Refused::Busy {
                retry_after: BUSY_RETRY,
            })
        }
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether both are the same. Takes the same time wherever they differ.
fn same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    let differing = one.iter().zip(other).fold(0, |seen, (a, b)| seen | (a ^ b));
    differing == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv6Addr;

    const HERE: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
    const WRONG: &str = "abk-00000-00000-00000-00000-00000";

    fn keys(burst: u32) -> (Keys, Secret, tempfile::TempDir) {
        let data = tempfile::tempdir().unwrap();
        let key = KeyFile::of(data.path()).make_new().unwrap();
        let tries = Rate {
            burst,
            per_second: 0.1,
        };
        (Keys::new(KeyFile::of(data.path()), tries), key, data)
    }

    #[tokio::test]
    async fn only_the_key_is_right() {
        let (keys, key, _data) = keys(5);
        assert_eq!(keys.check(key.reveal(), HERE).await, Ok(()));
        for wrong in [WRONG, "", "abk-", &key.reveal()[..32]] {
            let refused = keys.check(wrong, HERE).await;
            assert_eq!(refused, Err(Refused::KeyWrong), "{wrong}");
        }
    }

    #[tokio::test]
    async fn an_address_that_shows_wrong_keys_is_not_listened_to_and_its_neighbours_are() {
        let (keys, key, _data) = keys(2);
        for _ in 0..2 {
            assert_eq!(keys.check(WRONG, HERE).await, Err(Refused::KeyWrong));
        }
        let refused = keys.check(key.reveal(), HERE).await;
        let retry_after = Duration::from_secs(10);
        assert_eq!(refused, Err(Refused::TooManyWrong { retry_after }));
        let other = "192.0.2.1".parse().unwrap();
        assert_eq!(keys.check(key.reveal(), other).await, Ok(()));
        // Now that it is known, it costs nothing to look at it.
        assert_eq!(keys.check(key.reveal(), HERE).await, Ok(()));
    }

    #[tokio::test]
    async fn who_guesses_tokens_does_not_shut_out_the_key_of_the_same_address() {
        let (keys, key, _data) = keys(2);
        let told: Vec<_> = (0..3).map(|_| keys.wrong(HERE)).collect();
        let retry_after = Duration::from_secs(10);
        let too_many = Refused::TooManyWrong { retry_after };
        assert_eq!(told, [Refused::KeyWrong, Refused::KeyWrong, too_many]);
        assert_eq!(keys.check(key.reveal(), HERE).await, Ok(()));
        // Nor do wrong keys, once it is known.
        for _ in 0..5 {
            assert!(keys.check(WRONG, HERE).await.is_err());
        }
        assert_eq!(keys.check(key.reveal(), HERE).await, Ok(()));
    }

    #[test]
    fn right_tokens_take_nothing_and_wrong_ones_what_they_would_have_taken_without_them() {
        const SHOWN: u32 = 10;
        // Every way in which right and wrong ones may follow each other.
        let (keys, _key, _data) = keys(3);
        for ways in 0_u32..1 << SHOWN {
            let from = std::net::Ipv4Addr::from_bits(ways).into();
            let mut wrong = 0;
            for at in 0..SHOWN {
                let is_right = ways >> at & 1 == 1;
                let told = keys.guess(from, None, is_right);
                assert_eq!(told.is_ok(), wrong < 3, "{ways:b}, {at}");
                wrong += u32::from(!is_right);
            }
        }
    }

    #[test]
    fn tokens_are_guessed_apart_from_keys_and_those_of_hidden_streams_apart_from_each_other() {
        let (keys, _key, _data) = keys(1);
        let (one, other) = (Some(Uuid::from_u128(1)), Some(Uuid::from_u128(2)));
        for apart in [None, one, other] {
            assert_eq!(keys.guess(HERE, apart, false), Ok(()), "{apart:?}");
            assert!(keys.guess(HERE, apart, true).is_err(), "{apart:?}");
            let elsewhere = "192.0.2.1".parse().unwrap();
            assert_eq!(keys.guess(elsewhere, apart, true), Ok(()), "{apart:?}");
        }
        assert_eq!(keys.wrong(HERE), Refused::KeyWrong);
    }

    #[tokio::test]
    async fn many_addresses_together_are_compared_at_a_pace() {
        let (keys, _key, _data) = keys(1);
        let mut busy = 0;
        // Badly written ones count as well, and take no time.
        for last in 0..=255 {
            let from = IpAddr::from([192, 0, 2, last]);
            busy += usize::from(keys.check("abk-", from).await != Err(Refused::KeyWrong));
        }
        assert!(busy > 200, "{busy} of 256 were refused without a look");
    }

    #[tokio::test]
    async fn a_key_that_was_made_anew_is_right_at_once_and_the_old_one_no_longer() {
        let (keys, old, data) = keys(5);
        assert_eq!(keys.check(old.reveal(), HERE).await, Ok(()));
        let new = KeyFile::of(data.path()).make_new().unwrap();
        assert_eq!(keys.check(new.reveal(), HERE).await, Ok(()));
        assert_eq!(keys.check(old.reveal(), HERE).await, Err(Refused::KeyWrong));
    }

    #[tokio::test]
    async fn without_its_file_no_key_is_right() {
        let (keys, key, data) = keys(5);
        assert_eq!(keys.check(key.reveal(), HERE).await, Ok(()));
        std::fs::remove_file(data.path().join("operator-key")).unwrap();
        assert_eq!(keys.check(key.reveal(), HERE).await, Err(Refused::KeyWrong));
    }
}
