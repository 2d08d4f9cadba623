//! Durations and positions as AudioHook writes them: `PT12.4S`.
//!
//! Refuses: floating point. Nine decimals are kept, further ones cut off.
//! Source: docs/wire/audiohook.md, "Durations".

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sidetone_model::{Position, SAMPLE_RATE};

const NANOS_PER_SECOND: u64 = 1_000_000_000;
const NANOS_PER_SAMPLE: u64 = NANOS_PER_SECOND / SAMPLE_RATE as u64;

/// A length of media time, or a position counted from the stream's start.
///
/// Units: nanoseconds, exact; 584 years fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MediaTime(u64);

/// A text that is not a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a duration: expected a form such as PT1.25S")]
pub struct MediaTimeError;

impl MediaTime {
    /// No time at all, written `PT0S`.
    pub const ZERO: Self = Self(0);

    /// Wraps nanoseconds.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Returns nanoseconds.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Returns the same time as a [`Duration`]; exact.
    pub const fn as_duration(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// Returns the sample this time falls on, the nearest if it lies between two.
    ///
    /// Nearest, because a client that computes in floating point may be a nanosecond short.
    pub const fn position(self) -> Position {
        Position::from_samples(self.0.saturating_add(NANOS_PER_SAMPLE / 2) / NANOS_PER_SAMPLE)
    }

    /// Returns the sample this time falls on, or nothing if it lies between two.
    pub const fn exact_position(self) -> Option<Position> {
        if self.0.is_multiple_of(NANOS_PER_SAMPLE) {
            Some(Position::from_samples(self.0 / NANOS_PER_SAMPLE))
        } else {
            None
        }
    }

    /// Returns both times together; the longest one there is if that is too long.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl From<Position> for MediaTime {
    fn from(position: Position) -> Self {
        Self(position.samples().saturating_mul(NANOS_PER_SAMPLE))
    }
}

impl From<Duration> for MediaTime {
    fn from(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl FromStr for MediaTime {
    type Err = MediaTimeError;

    fn from_str(text: &str) -> Result<Self, MediaTimeError> {
        let mut rest = text.strip_prefix("PT").ok_or(MediaTimeError)?;
        if rest.is_empty() {
            return Err(MediaTimeError);
        }
        let mut nanos = 0_u64;
        // Hours and minutes were never seen on this wire; they are legal in the notation.
        for (unit, seconds) in [('H', 3_600), ('M', 60)] {
            if let Some((count, tail)) = rest.split_once(unit) {
                let count = whole(count)?;
                nanos = add(nanos, count, seconds * NANOS_PER_SECOND)?;
                rest = tail;
            }
        }
        if rest.is_empty() {
            return Ok(Self(nanos));
        }
        let seconds = rest.strip_suffix('S').ok_or(MediaTimeError)?;
        match seconds.split_once('.') {
            None => add(nanos, whole(seconds)?, NANOS_PER_SECOND).map(Self),
            Some((seconds, decimals)) => {
                let seconds = if seconds.is_empty() { 0 } else { whole(seconds)? };
                let nanos = add(nanos, seconds, NANOS_PER_SECOND)?;
                add(nanos, fraction(decimals)?, 1).map(Self)
            }
        }
    }
}

impl fmt::Display for MediaTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = (self.0 / NANOS_PER_SECOND, self.0 % NANOS_PER_SECOND);
        if nanos == 0 {
            return write!(f, "PT{seconds}S");
        }
        let (mut digits, mut fraction) = (9_usize, nanos);
        while fraction.is_multiple_of(10) {
            fraction /= 10;
            digits -= 1;
        }
        write!(f, "PT{seconds}.{fraction:0digits$}S")
    }
}

impl Serialize for MediaTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MediaTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl de::Visitor<'_> for Text {
            type Value = MediaTime;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as \"PT1.25S\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<MediaTime, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Text)
    }
}

fn add(nanos: u64, count: u64, unit: u64) -> Result<u64, MediaTimeError> {
    count.checked_mul(unit).and_then(|more| nanos.checked_add(more)).ok_or(MediaTimeError)
}

/// Reads decimal digits and nothing else: the parser of the standard library takes a sign.
fn whole(digits: &str) -> Result<u64, MediaTimeError> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(MediaTimeError);
    }
    digits.parse().map_err(|_| MediaTimeError)
}

fn fraction(decimals: &str) -> Result<u64, MediaTimeError> {
    if decimals.is_empty() || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(MediaTimeError);
    }
    let padded = decimals.bytes().chain(std::iter::repeat(b'0')).take(9);
    Ok(padded.fold(0, |nanos, digit| nanos * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nanos(text: &str) -> Option<u64> {
        text.parse::<MediaTime>().ok().map(MediaTime::as_nanos)
    }

    #[test]
    fn c39_every_spelling_of_a_duration_is_read() {
        for (text, expected) in [
            ("PT0S", 0),
            ("PT0.0S", 0),
            ("PT.5S", 500_000_000),
            ("PT1.8S", 1_800_000_000),
            ("PT154.320875S", 154_320_875_000),
            ("PT0.001465337S", 1_465_337),
            ("PT0.0014653379999S", 1_465_337),
            ("PT00012S", 12_000_000_000),
            ("PT2M3.5S", 123_500_000_000),
            ("PT1H", 3_600_000_000_000),
            ("PT1H1M1S", 3_661_000_000_000),
        ] {
            assert_eq!(nanos(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn garbage_negatives_and_overflow_are_refused() {
        for text in [
            "",
            "PT",
            "P",
            "PTS",
            "PT.S",
            "PT5.S",
            "PT-1S",
            "PT+1S",
            "PT1",
            "1S",
            "pt1s",
            "PT1e3S",
            "PT1E-7S",
            "PT1,5S",
            "PT1.5",
            "PT1..5S",
            "PT 1S",
            "PT1S ",
            "PT1M1H",
            "PTM",
            "PT1S1M",
            "PT1.+5S",
            "PT1.5M",
            "PT99999999999999999999S",
            "PT18446744074S",
            "PT9999999999H",
            "P1DT1S",
            "PT١S",
        ] {
            assert_eq!(nanos(text), None, "{text}");
        }
    }

    #[test]
    fn is_written_as_short_as_it_can_be() {
        for (nanos, expected) in [
            (0, "PT0S"),
            (1, "PT0.000000001S"),
            (125_000, "PT0.000125S"),
            (1_800_000_000, "PT1.8S"),
            (12_000_000_000, "PT12S"),
            (100_000_000, "PT0.1S"),
        ] {
            assert_eq!(MediaTime::from_nanos(nanos).to_string(), expected);
        }
    }

    #[test]
    fn a_nanosecond_short_is_still_the_same_sample() {
        assert_eq!(MediaTime::from_nanos(124_999).position(), Position::from_samples(1));
        assert_eq!(MediaTime::from_nanos(124_999).exact_position(), None);
        assert_eq!(MediaTime::from_nanos(u64::MAX).plus(MediaTime::from_nanos(1)).0, u64::MAX);
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_back(nanos: u64) {
            let time = MediaTime::from_nanos(nanos);
            prop_assert_eq!(time.to_string().parse(), Ok(time));
        }

        #[test]
        fn c67_positions_survive_the_wire_exactly(samples in 0..=u64::MAX / NANOS_PER_SAMPLE) {
            let position = Position::from_samples(samples);
            let read: MediaTime = MediaTime::from(position).to_string().parse().expect("own text");
            prop_assert_eq!(read.exact_position(), Some(position));
            prop_assert_eq!(read.position(), position);
        }

        #[test]
        fn no_text_makes_it_panic(text in "P?T?[0-9.HMS+-]{0,30}|\\PC{0,20}") {
            let _ = text.parse::<MediaTime>();
        }
    }
}
