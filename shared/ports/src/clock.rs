//! The one clock, which may run faster than the world.
//!
//! Everything that waits takes a [`Clock`], so a whole system, simulated Genesys included,
//! can live ten seconds in one. On a paused tokio runtime it stands still with it.

use std::future::Future;
use std::time::{Duration, SystemTime};

use sidetone_model::Timestamp;
use tokio::time::Instant;

/// Reads the time and waits in it; cheap to copy.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
    epoch: Timestamp,
    speed: f64,
}

/// The longest single wait; longer ones are cut and the caller's loop waits again.
const WAIT_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

impl Clock {
    /// Starts a clock that runs with the world.
    ///
    /// The wall clock is read once; afterwards time is monotonic, so a step of the system's
    /// clock cannot make a deadline jump.
    pub fn system() -> Self {
        Self::scaled(1.0)
    }

    /// Starts a clock that runs `speed` times as fast as the world, from now.
    ///
    /// Panics if `speed` is not a positive number.
    pub fn scaled(speed: f64) -> Self {
        let epoch = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(Timestamp::default(), |past| Timestamp::default() + past);
        Self::starting_at(epoch, speed)
    }

    /// Starts a clock at a given moment.
    ///
    /// Panics if `speed` is not a positive number.
    pub fn starting_at(epoch: Timestamp, speed: f64) -> Self {
        assert!(speed.is_finite() && speed > 0.0, "a clock runs forward, got speed {speed}");
        Self { started: Instant::now(), epoch, speed }
    }

    /// Returns how many times faster than the world this clock runs.
    pub const fn speed(&self) -> f64 {
        self.speed
    }

    /// Returns the moment it is.
    pub fn now(&self) -> Timestamp {
        self.epoch + self.of_this_clock(self.started.elapsed())
    }

    /// Returns the runtime's instant at which this clock shows `moment`.
    pub fn instant_at(&self, moment: Timestamp) -> Instant {
        self.started + self.in_the_world(moment.since(self.epoch))
    }

    /// Waits some time of this clock.
    pub async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(self.in_the_world(duration)).await;
    }

    /// Waits until this clock shows `moment`; returns at once if it has passed.
    pub async fn sleep_until(&self, moment: Timestamp) {
        tokio::time::sleep_until(self.instant_at(moment)).await;
    }

    /// Gives a future some time of this clock; nothing if that was too little.
    pub async fn timeout<F: Future>(&self, limit: Duration, future: F) -> Option<F::Output> {
        tokio::time::timeout(self.in_the_world(limit), future).await.ok()
    }

    /// Nearly every clock runs with the world, and each frame reads it: that needs no floats.
    fn of_this_clock(&self, real: Duration) -> Duration {
        if self.speed == 1.0 { real } else { real.mul_f64(self.speed) }
    }

    fn in_the_world(&self, own: Duration) -> Duration {
        let real = if self.speed == 1.0 { own } else { own.div_f64(self.speed) };
        real.min(WAIT_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_scaled_clock_lives_faster() {
        let clock = Clock::starting_at(Timestamp::from_millis(0), 10.0);
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(clock.now(), Timestamp::from_millis(1_000));
        let before = Instant::now();
        clock.sleep(Duration::from_secs(5)).await;
        assert_eq!(before.elapsed(), Duration::from_millis(500));
        assert_eq!(clock.now(), Timestamp::from_millis(6_000));
    }
}
