//! Which signatures were already used, for as long as they could be used again.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};
use sidetone_model::Timestamp;

use super::key::KeyId;

/// Nonces remembered at most: 5,000 upgrades a second over the 13 s that a signature lives.
pub const NONCES_MAX: usize = 65_536;

/// What became of a nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a repeated nonce must be refused"]
pub enum Remembered {
    /// Not seen before; remembered.
    Fresh,
    /// Seen before: a replay.
    Repeated,
    /// Not seen before and not remembered either, because the memory is full: the door counts
    /// it, and a replay of this one would pass.
    Full,
}

/// The first half of a digest of key and nonce; as good as both, and of one size.
type Trace = [u8; 16];

/// Used nonces until they expire.
#[derive(Debug, Clone)]
pub struct NonceMemory {
    capacity: usize,
    seen: BTreeMap<Trace, Timestamp>,
    by_end: BTreeSet<(Timestamp, Trace)>,
}

impl Default for NonceMemory {
    fn default() -> Self {
        Self::new(NONCES_MAX)
    }
}

impl NonceMemory {
    /// Makes an empty memory for at most `capacity` nonces.
    pub const fn new(capacity: usize) -> Self {
        Self { capacity, seen: BTreeMap::new(), by_end: BTreeSet::new() }
    }

    /// Remembers a key's nonce to the end of a moment, and says whether it was known.
    pub fn remember(
        &mut self,
        now: Timestamp,
        key: &KeyId,
        nonce: &str,
        until: Timestamp,
    ) -> Remembered {
        self.purge(now);
        let trace = trace(key, nonce);
        if self.seen.contains_key(&trace) {
            return Remembered::Repeated;
        }
        if self.seen.len() >= self.capacity {
            return Remembered::Full;
        }
        self.seen.insert(trace, until);
        self.by_end.insert((until, trace));
        Remembered::Fresh
    }

    /// Forgets what no signature could use any more.
    pub fn purge(&mut self, now: Timestamp) {
        while let Some((until, trace)) = self.by_end.first().copied()
            && until < now
        {
            self.by_end.pop_first();
            self.seen.remove(&trace);
        }
    }

    /// Returns how many nonces are remembered.
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Returns whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }
}

fn trace(key: &KeyId, nonce: &str) -> Trace {
    let mut digest = Sha256::new();
    // The length keeps (a, bc) and (ab, c) apart.
    digest.update((key.reveal().len() as u64).to_be_bytes());
    digest.update(key.reveal().as_bytes());
    digest.update(nonce.as_bytes());
    let full: [u8; 32] = digest.finalize().into();
    let mut half = Trace::default();
    half.copy_from_slice(&full[..16]);
    half
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + millis)
    }

    #[test]
    fn c24_a_repeated_nonce_is_known_until_its_last_moment_has_passed() {
        let mut memory = NonceMemory::default();
        let key = KeyId::new("one");
        assert_eq!(memory.remember(NOW, &key, "n", at(13_000)), Remembered::Fresh);
        assert_eq!(memory.remember(at(13_000), &key, "n", at(13_000)), Remembered::Repeated);
        assert_eq!(memory.remember(at(13_001), &key, "n", at(14_000)), Remembered::Fresh);
        assert_eq!(memory.len(), 1);
    }

    #[test]
    fn two_keys_may_use_one_nonce() {
        let mut memory = NonceMemory::default();
        assert_eq!(memory.remember(NOW, &KeyId::new("a"), "bc", at(1)), Remembered::Fresh);
        assert_eq!(memory.remember(NOW, &KeyId::new("ab"), "c", at(1)), Remembered::Fresh);
        assert_eq!(memory.remember(NOW, &KeyId::new("a"), "bc", at(1)), Remembered::Repeated);
    }

    #[test]
    fn a_full_memory_says_so_and_still_knows_what_it_holds() {
        let mut memory = NonceMemory::new(2);
        let key = KeyId::new("one");
        assert_eq!(memory.remember(NOW, &key, "1", at(5)), Remembered::Fresh);
        assert_eq!(memory.remember(NOW, &key, "2", at(9)), Remembered::Fresh);
        assert_eq!(memory.remember(NOW, &key, "3", at(9)), Remembered::Full);
        assert_eq!(memory.remember(NOW, &key, "1", at(9)), Remembered::Repeated);
        assert_eq!(memory.remember(at(6), &key, "3", at(9)), Remembered::Fresh);
        memory.purge(at(10));
        assert!(memory.is_empty());
    }
}
