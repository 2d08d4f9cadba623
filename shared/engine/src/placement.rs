//! Where in the media a moment lies, and where a leg ends.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sidetone_model::{CallEvent, CallEventKind, MediaClock, Position, Timestamp};

/// How close to the end of the media a leg must end to end with it.
///
/// Positions are computed from arrivals and lie early, never late; where both ends are one and
/// the same, the last words of a call would fall behind its end. The tolerance of the stream.
const COMMON_END: Duration = Duration::from_millis(300);

/// Puts moments on the media of one session.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Placement {
    pub(crate) clock: MediaClock,
    /// Where the media ended, once it has.
    pub(crate) end: Option<Position>,
    /// By how much Genesys' time is ahead of the time in which messages arrive. Units:
    /// microseconds.
    #[serde(default)]
    pub(crate) world_ahead: i64,
}

impl Placement {
    /// Returns the position of a moment in Genesys' time; nothing before the first message.
    pub(crate) fn at(self, moment: Timestamp) -> Option<Position> {
        self.clock.position_at(self.arrival_of(moment))
    }

    /// Returns the moment of a position, in Genesys' time.
    pub(crate) fn moment_at(self, position: Position) -> Option<Timestamp> {
        self.clock.moment_at(position).map(|moment| self.in_the_world(moment))
    }

    /// Returns a moment in Genesys' time as one of the time in which messages arrive.
    pub(crate) const fn arrival_of(self, moment: Timestamp) -> Timestamp {
        Timestamp::from_micros(moment.as_micros().saturating_sub(self.world_ahead))
    }

    /// Returns a moment of the time in which messages arrive in Genesys' time.
    pub(crate) const fn in_the_world(self, moment: Timestamp) -> Timestamp {
        Timestamp::from_micros(moment.as_micros().saturating_add(self.world_ahead))
    }

    /// Returns the position at which a leg that ended at a moment ends.
    pub(crate) fn end_at(self, moment: Timestamp) -> Option<Position> {
        let position = self.at(moment)?;
        Some(match self.end {
            Some(end) if position < end && end <= position.plus(COMMON_END) => end,
            Some(_) | None => position,
        })
    }

    /// Returns the position of an event; the start for what came before everything.
    pub(crate) fn of(self, event: CallEvent) -> Position {
        let position = match event.kind {
            CallEventKind::Transferred | CallEventKind::Ended => self.end_at(event.at),
            CallEventKind::Ringing
            | CallEventKind::Started
            | CallEventKind::Held
            | CallEventKind::Retrieved
            | CallEventKind::Muted
            | CallEventKind::Unmuted
            | CallEventKind::ConferenceStarted
            | CallEventKind::ConferenceEnded
            | CallEventKind::WrapUpStarted
            | CallEventKind::WrapUpEnded => self.at(event.at),
        };
        position.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leg_that_ends_with_the_media_has_all_of_it() {
        let mut clock = MediaClock::default();
        clock.observe(Timestamp::from_millis(1_000), Position::from_millis(0));
        let placement =
            Placement { clock, end: Some(Position::from_millis(9_000)), world_ahead: 0 };
        let end_at = |millis| placement.end_at(Timestamp::from_millis(millis));
        assert_eq!(end_at(9_880), Some(Position::from_millis(9_000)));
        assert_eq!(end_at(9_650), Some(Position::from_millis(8_650)));
        assert_eq!(end_at(10_050), Some(Position::from_millis(9_050)));
    }
}
