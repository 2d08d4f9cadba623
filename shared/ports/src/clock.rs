//! The one clock: what time it is in the world, and a steady time for waits.
//!
//! World time ([`Clock::now`]) is read when it is asked for and may step: it is for signatures,
//! stamps, expiries and everything that is compared with Genesys' times. Steady time
//! ([`Clock::steady`]) never steps: it is for waits, deadlines and the state machines of one
//! process. A clock may run faster than the world, so that a whole system, simulated Genesys
//! included, lives ten seconds in one; on a paused tokio runtime it stands still with it.

use std::future::Future;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use sidetone_model::{TimeEvidence, Timestamp};
use tokio::sync::Notify;
use tokio::time::Instant;

/// Reads the time and waits in it; cheap to copy.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
    epoch: Timestamp,
    speed: f64,
    world: &'static World,
}

/// What all copies of a clock share. Lives as long as the process, as its clock does.
#[derive(Debug)]
struct World {
    /// Whether world time is the machine's; else it is steady time and what it was set apart by.
    is_machine: bool,
    /// By how much a clock that is not the machine's was set apart. Units: microseconds.
    apart: AtomicI64,
    /// What Genesys' time makes of the machine's. Units: microseconds.
    correction: AtomicI64,
    reference: Mutex<Reference>,
    stepped: Notify,
}

#[derive(Debug, Default)]
struct Reference {
    evidence: TimeEvidence,
    /// The machine's time less steady time, when it was looked at last. Units: microseconds.
    machine_ahead: Option<i64>,
    /// Since when the machine's clock has been wrong, in world time.
    wrong_since: Option<Timestamp>,
}

/// By how much the machine's clock is off Genesys' time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockSkew {
    /// Positive if the machine's clock is ahead. Units: microseconds.
    pub ahead_micros: i64,
    /// Since when it has been off, in world time.
    pub since: Timestamp,
}

/// The longest single wait; longer ones are cut and the caller's loop waits again.
const WAIT_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// How far the machine's clock must move against steady time to count as a step. Slower changes
/// are drift, which world time follows anyway. Units: microseconds.
const STEP_MIN: u64 = 100_000;

impl Clock {
    /// Starts a clock whose world time is the machine's.
    pub fn system() -> Self {
        Self::new(machine_time(), 1.0, true)
    }

    /// Starts a clock whose world time is the machine's and whose waits are `speed` times as
    /// short: for a simulation that talks to a server outside itself, which checks signatures by
    /// its own clock.
    ///
    /// Panics if `speed` is not a positive number.
    pub fn paced(speed: f64) -> Self {
        Self::new(machine_time(), speed, true)
    }

    /// Starts a clock that runs `speed` times as fast as the world, from the machine's time.
    ///
    /// Panics if `speed` is not a positive number.
    pub fn scaled(speed: f64) -> Self {
        Self::starting_at(machine_time(), speed)
    }

    /// Starts a clock at a given moment.
    ///
    /// Panics if `speed` is not a positive number.
    pub fn starting_at(epoch: Timestamp, speed: f64) -> Self {
        Self::new(epoch, speed, false)
    }

    fn new(epoch: Timestamp, speed: f64, is_machine: bool) -> Self {
        assert!(speed.is_finite() && speed > 0.0, "a clock runs forward, got speed {speed}");
        let world = World {
            is_machine,
            apart: AtomicI64::new(0),
            correction: AtomicI64::new(0),
            reference: Mutex::default(),
            stepped: Notify::new(),
        };
        Self { started: Instant::now(), epoch, speed, world: Box::leak(Box::new(world)) }
    }

    /// Returns the clock of another process, whose world time is `micros` ahead of this one's
    /// machine time. For simulations and tests.
    pub fn set_apart(&self, micros: i64) -> Self {
        let other = Self::starting_at(self.epoch, self.speed);
        other.world.apart.store(micros, Ordering::Relaxed);
        Self { started: self.started, ..other }
    }

    /// Steps world time by `micros`, as somebody who sets the machine's clock does. For
    /// simulations and tests; the clock of a machine is not ours to set.
    pub fn step(&self, micros: i64) {
        self.world.apart.fetch_add(micros, Ordering::Relaxed);
    }

    /// Returns how many times faster than the world this clock runs.
    pub const fn speed(&self) -> f64 {
        self.speed
    }

    /// Returns the time in the world, as Genesys has it as far as is known. May step.
    pub fn now(&self) -> Timestamp {
        moved(self.uncorrected(), self.world.correction.load(Ordering::Relaxed))
    }

    /// Returns steady time: world time when this clock was started, and counted since.
    pub fn steady(&self) -> Timestamp {
        self.epoch + self.of_this_clock(self.started.elapsed())
    }

    /// Returns the runtime's instant at which steady time comes to `moment`.
    pub fn instant_at(&self, moment: Timestamp) -> Instant {
        self.started + self.in_the_world(moment.since(self.epoch))
    }

    /// Waits some time of this clock.
    pub async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(self.in_the_world(duration)).await;
    }

    /// Waits until steady time comes to `moment`; returns at once if it has passed.
    pub async fn sleep_until(&self, moment: Timestamp) {
        tokio::time::sleep_until(self.instant_at(moment)).await;
    }

    /// Gives a future some time of this clock; nothing if that was too little.
    pub async fn timeout<F: Future>(&self, limit: Duration, future: F) -> Option<F::Output> {
        tokio::time::timeout(self.in_the_world(limit), future).await.ok()
    }

    /// Notes that Genesys said what time it is: `date`, cut to the second, in an answer to what
    /// was asked at `asked_at` and answered at `answered_at`, both steady time.
    pub fn observe(&self, date: Timestamp, asked_at: Timestamp, answered_at: Timestamp) {
        let mut reference = self.reference();
        reference.evidence.note(date, asked_at, answered_at);
        self.correct(&mut reference);
    }

    /// Looks whether the machine's clock was set or the machine stood still; returns by how much
    /// world time stepped, in microseconds. To be called several times a second.
    ///
    /// What Genesys said before a step counts no longer, and [`Clock::stepped`] returns.
    pub fn check(&self) -> Option<i64> {
        let mut reference = self.reference();
        let ahead = self.uncorrected().micros_after(self.steady());
        let step = ahead - reference.machine_ahead.replace(ahead).unwrap_or(ahead);
        let stepped = step.unsigned_abs() >= STEP_MIN;
        if stepped {
            reference.evidence = TimeEvidence::default();
            self.world.stepped.notify_waiters();
        }
        self.correct(&mut reference);
        stepped.then_some(step)
    }

    /// Waits until world time has stepped.
    pub async fn stepped(&self) {
        self.world.stepped.notified().await;
    }

    /// Returns by how much the machine's clock is off Genesys' time; nothing if it is right as
    /// far as is known.
    pub fn skew(&self) -> Option<ClockSkew> {
        let since = self.reference().wrong_since?;
        let ahead_micros = -self.world.correction.load(Ordering::Relaxed);
        (ahead_micros != 0).then_some(ClockSkew { ahead_micros, since })
    }

    /// Returns whether Genesys has said lately what time it is.
    pub fn has_reference(&self) -> bool {
        self.reference().evidence.bounds(self.steady()).is_some()
    }

    /// Leaves the machine's time alone if it may be right, and else puts world time in the
    /// middle of what Genesys said it can be.
    fn correct(&self, reference: &mut Reference) {
        let ahead = self.uncorrected().micros_after(self.steady());
        let correction = match reference.evidence.bounds(self.steady()) {
            Some((least, most)) if ahead < least || most < ahead => {
                least + (most - least) / 2 - ahead
            }
            Some(_) | None => 0,
        };
        self.world.correction.store(correction, Ordering::Relaxed);
        match correction {
            0 => reference.wrong_since = None,
            _ => _ = reference.wrong_since.get_or_insert_with(|| self.now()),
        }
    }

    fn uncorrected(&self) -> Timestamp {
        match self.world.is_machine {
            true => machine_time(),
            false => moved(self.steady(), self.world.apart.load(Ordering::Relaxed)),
        }
    }

    fn reference(&self) -> std::sync::MutexGuard<'_, Reference> {
        self.world.reference.lock().unwrap_or_else(PoisonError::into_inner)
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

fn machine_time() -> Timestamp {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(Timestamp::default(), |past| Timestamp::default() + past)
}

fn moved(moment: Timestamp, micros: i64) -> Timestamp {
    Timestamp::from_micros(moment.as_micros().saturating_add(micros))
}

#[cfg(test)]
mod tests;
