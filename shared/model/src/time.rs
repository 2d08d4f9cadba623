//! Three notions of time: the wall clock, the media's own time, and the bridge between.
//!
//! Refuses: reading a clock. `now` always comes in from outside.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::media::SAMPLE_RATE;

/// A moment on the wall clock.
///
/// Units: microseconds since the Unix epoch.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(i64);

/// A text that is not an RFC 3339 moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a moment in RFC 3339 form, such as 2026-08-15T09:00:12.864Z")]
pub struct TimestampError;

impl Timestamp {
    /// Wraps microseconds since the Unix epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Wraps milliseconds since the Unix epoch; saturates at the ends of time.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// Returns microseconds since the Unix epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Returns whole milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Returns whole seconds since the Unix epoch.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Reads the date of an HTTP answer; nothing if it is none.
    ///
    /// Units: whole seconds.
    pub fn from_http_date(text: &str) -> Option<Self> {
        let moment = jiff::fmt::rfc2822::parse(text).ok()?;
        Some(Self(moment.timestamp().as_microsecond()))
    }

    /// Returns the date for an HTTP answer, cut to the second.
    pub fn to_http_date(self) -> String {
        let moment = jiff::Timestamp::from_second(self.as_secs()).unwrap_or_default();
        jiff::fmt::rfc2822::DateTimePrinter::new()
            .timestamp_to_rfc9110_string(&moment)
            .unwrap_or_default()
    }

    /// Returns how long after `earlier` this is; zero if it is before.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Returns the signed distance from `other`, in microseconds.
    pub const fn micros_after(self, other: Self) -> i64 {
        self.0.saturating_sub(other.0)
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let moment: jiff::Timestamp = text.parse().map_err(|_| TimestampError)?;
        Ok(Self(moment.as_microsecond()))
    }
}

impl fmt::Display for Timestamp {
    /// Writes RFC 3339 in UTC with milliseconds, as Genesys does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.as_millis()) {
            Ok(moment) => write!(f, "{moment:.3}"),
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

/// A time into the media of one session.
///
/// Units: samples per media channel at 8,000 Hz, counted from the session's start. Exact:
/// no rounding happens between frames.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Position(u64);

impl Position {
    /// The session's start.
    pub const ZERO: Self = Self(0);

    /// Wraps a count of samples per channel.
    pub const fn from_samples(samples: u64) -> Self {
        Self(samples)
    }

    /// Wraps milliseconds; eight samples each.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(SAMPLE_RATE as u64 / 1_000))
    }

    /// Returns the count of samples per channel.
    pub const fn samples(self) -> u64 {
        self.0
    }

    /// Returns whole milliseconds, rounded down: for people, never for arithmetic.
    pub const fn as_millis(self) -> u64 {
        self.0 / (SAMPLE_RATE as u64 / 1_000)
    }

    /// Returns the time from the session's start; exact, as a sample is 125 µs.
    pub const fn as_duration(self) -> Duration {
        Duration::from_micros(self.0.saturating_mul(1_000_000 / SAMPLE_RATE as u64))
    }

    /// Returns this position moved on by some samples.
    #[must_use]
    pub const fn plus_samples(self, samples: u64) -> Self {
        Self(self.0.saturating_add(samples))
    }

    /// Returns this position moved on by some time, rounded down to a sample.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let samples = duration.as_micros() / u128::from(1_000_000 / SAMPLE_RATE);
        self.plus_samples(u64::try_from(samples).unwrap_or(u64::MAX))
    }

    /// Returns the samples from `earlier` to here; zero if it lies behind.
    pub const fn samples_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// The bridge between the clock and the media of one session.
///
/// Nothing on the wire says when position zero was. Each message says how far the media had
/// come when it was sent, and it arrives no earlier than that; so the earliest start that any
/// message allows is the best one known, and further messages can only improve it.
///
/// Genesys counts positions on while a session is paused; other clients let them stand still.
/// After such a pause the media has another start, which counts from there on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MediaClock {
    start: Option<Timestamp>,
    /// How much later than the first the media would have to have started for what came since
    /// the position stood still, and from which position on.
    #[serde(default)]
    stood: [Option<Standstill>; Self::STANDSTILLS_MAX],
}

/// A pause in which the position stood still.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Standstill {
    at: Position,
    /// The start by which media was placed before.
    before: Timestamp,
}

impl MediaClock {
    /// How many standstills are told apart; beyond that the oldest is forgotten.
    const STANDSTILLS_MAX: usize = 4;

    /// By how much a position must have fallen behind the clock in a pause to have stood still:
    /// more than messages are late. A shorter standstill moves nothing.
    const STANDSTILL_MIN: Duration = Duration::from_millis(500);

    /// Notes that the media had come to `position` when a message arrived at `now`.
    ///
    /// Returns whether the estimate moved.
    pub fn observe(&mut self, now: Timestamp, position: Position) -> bool {
        let start = now - position.as_duration();
        if self.start.is_none_or(|known| start < known) {
            self.start = Some(start);
            return true;
        }
        false
    }

    /// Notes that the media goes on at `position`, as a message that arrived at `now` says.
    pub fn resume(&mut self, now: Timestamp, position: Position) {
        let start = now - position.as_duration();
        let Some(before) = self.start else { return };
        if start.since(before) < Self::STANDSTILL_MIN {
            return;
        }
        self.stood.rotate_right(1);
        self.stood[0] = Some(Standstill { at: position, before });
        self.start = Some(start);
    }

    /// Returns when position zero was, as well as is known, for what comes from now on.
    pub const fn start(self) -> Option<Timestamp> {
        self.start
    }

    /// Returns the position that belongs to a moment: zero for all that came before the
    /// session, where it stood still for all of a standstill, nothing before the first message.
    pub fn position_at(self, moment: Timestamp) -> Option<Position> {
        let mut start = self.start?;
        for stood in self.stood.into_iter().flatten() {
            if moment >= start + stood.at.as_duration() {
                break;
            }
            let before = Position::ZERO.plus(moment.since(stood.before));
            if before >= stood.at {
                return Some(stood.at);
            }
            start = stood.before;
        }
        Some(Position::ZERO.plus(moment.since(start)))
    }

    /// Returns the moment that belongs to a position; the end of a standstill where it stood.
    pub fn moment_at(self, position: Position) -> Option<Timestamp> {
        let stood = self.stood.into_iter().flatten();
        let earlier = stood.take_while(|stood| position < stood.at).last();
        earlier.map(|stood| stood.before).or(self.start).map(|start| start + position.as_duration())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_the_moments_of_genesys() {
        let moment: Timestamp = "2026-08-15T09:00:12.864Z".parse().expect("valid");
        assert_eq!(moment.to_string(), "2026-08-15T09:00:12.864Z");
        let bare: Timestamp = "2026-08-15T09:00:12Z".parse().expect("valid");
        assert_eq!(bare.to_string(), "2026-08-15T09:00:12.000Z");
        assert!("yesterday".parse::<Timestamp>().is_err());
    }

    #[test]
    fn reads_and_writes_the_dates_of_http() {
        let moment = Timestamp::from_millis(1_786_784_412_864);
        let date = moment.to_http_date();
        assert_eq!(date, "Sat, 15 Aug 2026 09:00:12 GMT");
        assert_eq!(
            Timestamp::from_http_date(&date),
            Some(Timestamp::from_millis(1_786_784_412_000))
        );
        assert_eq!(Timestamp::from_http_date("yesterday"), None);
    }

    #[test]
    fn a_position_is_exact_to_the_sample() {
        let position = Position::from_samples(1_234_567);
        assert_eq!(Position::ZERO.plus(position.as_duration()), position);
    }

    #[test]
    fn the_media_clock_believes_the_least_delayed_message() {
        let mut clock = MediaClock::default();
        let start = Timestamp::from_millis(1_000_000);
        assert!(clock.observe(Timestamp::from_millis(1_002_500), Position::from_millis(2_000)));
        assert!(clock.observe(Timestamp::from_millis(1_003_000), Position::from_millis(3_000)));
        assert!(!clock.observe(Timestamp::from_millis(1_009_000), Position::from_millis(4_000)));
        assert_eq!(clock.start(), Some(start));
        assert_eq!(
            clock.position_at(Timestamp::from_millis(1_000_250)),
            Some(Position::from_millis(250))
        );
        assert_eq!(clock.position_at(Timestamp::from_millis(5)), Some(Position::ZERO));
    }

    #[test]
    fn a_position_that_stood_still_in_a_pause_goes_on_from_there() {
        let at = Timestamp::from_millis;
        let position = |millis| Some(Position::from_millis(millis));
        let mut clock = MediaClock::default();
        clock.observe(at(10_000), Position::from_millis(0));
        clock.observe(at(12_000), Position::from_millis(2_000));
        // Paused at 2 s of media, for 8.7 s in which the position stood still.
        clock.resume(at(20_700), Position::from_millis(2_000));
        assert_eq!(clock.position_at(at(11_500)), position(1_500));
        assert_eq!(clock.position_at(at(16_000)), position(2_000));
        assert_eq!(clock.position_at(at(21_700)), position(3_000));
        assert_eq!(clock.moment_at(Position::from_millis(1_500)), Some(at(11_500)));
        assert_eq!(clock.moment_at(Position::from_millis(3_000)), Some(at(21_700)));
        // The next message was less late than the one that said it goes on.
        assert!(clock.observe(at(21_600), Position::from_millis(3_000)));
        assert_eq!(clock.position_at(at(22_600)), position(4_000));
        clock.resume(at(40_600), Position::from_millis(5_000));
        assert_eq!(clock.position_at(at(11_500)), position(1_500));
        assert_eq!(clock.position_at(at(22_600)), position(4_000));
        assert_eq!(clock.position_at(at(30_000)), position(5_000));
        assert_eq!(clock.position_at(at(41_600)), position(6_000));
    }

    #[test]
    fn a_position_that_went_on_in_a_pause_moves_nothing() {
        let mut clock = MediaClock::default();
        clock.observe(Timestamp::from_millis(10_000), Position::ZERO);
        let before = clock;
        clock.resume(Timestamp::from_millis(18_300), Position::from_millis(8_000));
        assert_eq!(clock, before);
    }
}
