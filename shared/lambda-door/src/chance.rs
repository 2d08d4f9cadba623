//! Names and waits that differ between invocations.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use uuid::Uuid;

/// SplitMix64 from a seed: good enough to keep invocations apart, and replayable in tests.
#[derive(Debug)]
pub(crate) struct Chance(AtomicU64);

impl Chance {
    /// Begins somewhere.
    pub(crate) fn fresh() -> Self {
        Self::seeded(Uuid::new_v4().as_u64_pair().0)
    }

    /// Begins at a given place.
    pub(crate) const fn seeded(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// Returns a name nobody else has.
    pub(crate) fn name(&self) -> String {
        format!("{:016x}{:016x}", self.next(), self.next())
    }

    /// Returns some part of a time.
    pub(crate) fn some_of(&self, time: Duration) -> Duration {
        time.mul_f64((self.next() >> 11) as f64 / (1u64 << 53) as f64)
    }

    fn next(&self) -> u64 {
        let step = 0x9e37_79b9_7f4a_7c15;
        let mut mixed = self.0.fetch_add(step, Ordering::Relaxed).wrapping_add(step);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
