//! How much of the clock's time this machine's own work may take.

/// The speed of the clock in a run, and what follows from it for limits.
///
/// On a clock that runs ten times as fast, ten milliseconds of work look like a hundred. The
/// limits hold as they stand at speed 1; of each a part is the machine's own, and that part
/// alone grows with the speed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    speed: f64,
}

/// The limit for delivery after the later of the two halves of a match.
const MATCH_LIMIT_MS: f64 = 1_000.0;
/// Of this, the machine's own: three writes to the disk and a few hops between tasks.
const MATCH_WORK_MS: f64 = 300.0;
/// The limit for `opened`: 200 ms whatever the store does, and the way there and back.
const OPENED_LIMIT_MS: f64 = 300.0;
/// Of this, the machine's own.
const OPENED_WORK_MS: f64 = 150.0;
/// What pausing and resuming may take over what a scenario allows, for each whole step of
/// speed above 1; nothing at speed 1.
const SWITCH_WORK_MS: f64 = 25.0;

impl Pace {
    /// Judges a run whose clock ran `speed` times as fast as the world.
    pub const fn new(speed: f64) -> Self {
        Self { speed }
    }

    /// Returns how long the first audio after a match may take to be committed.
    ///
    /// Units: milliseconds of the run's clock.
    pub fn match_limit_ms(self) -> u64 {
        self.stretched(MATCH_LIMIT_MS, MATCH_WORK_MS)
    }

    /// Returns how long `opened` may take.
    pub fn opened_limit_ms(self) -> u64 {
        self.stretched(OPENED_LIMIT_MS, OPENED_WORK_MS)
    }

    /// Returns how much more may be missed where a scenario allows something to be missed,
    /// because the wire has to be switched on first.
    pub fn switch_allowance_ms(self) -> u64 {
        (SWITCH_WORK_MS * (self.speed - 1.0).max(0.0)).round() as u64
    }

    fn stretched(self, limit_ms: f64, work_ms: f64) -> u64 {
        (limit_ms - work_ms + work_ms * self.speed.max(1.0)).round() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_hold_as_they_stand_at_speed_one() {
        let pace = Pace::new(1.0);
        assert_eq!(pace.match_limit_ms(), 1_000);
        assert_eq!(pace.switch_allowance_ms(), 0);
        assert_eq!(Pace::new(10.0).match_limit_ms(), 3_700);
    }
}
