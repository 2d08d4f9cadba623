//! Whose audio is whose: from the spans of legs to one agent, or none, at each position.
//!
//! The engine and the consumer library answer this question with the same code.

use std::time::Duration;

use crate::id::{AgentId, CommunicationId};
use crate::time::Position;

/// One connected leg of an agent of ours, in media time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The leg.
    pub communication: CommunicationId,
    /// The agent.
    pub agent: AgentId,
    /// Where agent and customer were connected.
    pub from: Position,
    /// Where the leg ended; absent while it lasts.
    pub to: Option<Position>,
}

/// A stretch of media that belongs to one agent.
pub type Segment = Span;

/// Who owns each position of a session.
///
/// Where legs overlap, the one that was connected first has the customer until it ends: in a
/// consult the second agent is not heard by the customer before the first has left.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Timeline {
    segments: Vec<Segment>,
}

/// How far past a leg's end audio still counts as its own.
///
/// A position is computed from arrival times and so never lies late, only early; without this
/// the last word of a call would be cut.
pub(crate) const END_MARGIN: Duration = Duration::from_millis(100);

impl Timeline {
    /// Orders spans and resolves overlaps.
    pub fn new(spans: impl IntoIterator<Item = Span>) -> Self {
        let mut spans: Vec<Span> = spans.into_iter().collect();
        spans.sort_by(|a, b| (a.from, &a.communication).cmp(&(b.from, &b.communication)));
        let mut segments: Vec<Segment> = Vec::with_capacity(spans.len());
        for mut span in spans {
            if let Some(before) = segments.last() {
                let Some(before_to) = before.to else { break };
                span.from = span.from.max(before_to);
            }
            if span.to.is_none_or(|to| to > span.from) {
                segments.push(span);
            }
        }
        Self { segments }
    }

    /// Returns the segments in order; they do not overlap.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Returns the segment that has most of the media from `from` to `to`, if any has some.
    ///
    /// Frames are given whole to one agent, so at a change of agents up to one frame falls on
    /// the wrong side.
    pub fn owner_of(&self, from: Position, to: Position) -> Option<&Segment> {
        let first = self.segments.partition_point(|segment| {
            segment.to.is_some_and(|end| end.plus(END_MARGIN) <= from && end < to)
        });
        self.segments[first..]
            .iter()
            .take_while(|segment| segment.from < to || (segment.from == to && from == to))
            .filter_map(|segment| {
                let end = segment.to.map_or(to, |end| end.plus(END_MARGIN)).min(to);
                let own = segment.to.unwrap_or(to).min(to);
                let begin = segment.from.max(from);
                // Its own media decides; the margin only where nobody else has any.
                (end > begin || from == to)
                    .then(|| ((own.samples_since(begin), end.samples_since(begin)), segment))
            })
            .max_by(|a, b| a.0.cmp(&b.0))
            .map(|(_, segment)| segment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Position {
        Position::from_millis(millis)
    }

    fn span(agent: &str, from: u64, to: Option<u64>) -> Span {
        Span {
            communication: CommunicationId::new(agent),
            agent: AgentId::new(agent),
            from: ms(from),
            to: to.map(ms),
        }
    }

    fn owner(timeline: &Timeline, from: u64, to: u64) -> Option<&str> {
        timeline.owner_of(ms(from), ms(to)).map(|segment| segment.agent.as_str())
    }

    #[test]
    fn the_agent_connected_first_keeps_the_customer_until_leaving() {
        let timeline =
            Timeline::new([span("bo", 5_000, Some(9_000)), span("ada", 1_000, Some(6_000))]);
        assert_eq!(
            timeline.segments(),
            [span("ada", 1_000, Some(6_000)), span("bo", 6_000, Some(9_000))]
        );
    }

    #[test]
    fn a_frame_goes_whole_to_whoever_has_most_of_it() {
        let timeline =
            Timeline::new([span("ada", 1_000, Some(2_050)), span("bo", 2_050, Some(3_000))]);
        assert_eq!(owner(&timeline, 800, 1_000), None);
        assert_eq!(owner(&timeline, 900, 1_100), Some("ada"));
        assert_eq!(owner(&timeline, 2_000, 2_200), Some("bo"));
        assert_eq!(owner(&timeline, 1_900, 2_100), Some("ada"));
    }

    #[test]
    fn the_last_word_is_not_cut_and_what_follows_is_nobodys() {
        let timeline = Timeline::new([span("ada", 1_000, Some(2_000))]);
        assert_eq!(owner(&timeline, 2_000, 2_200), Some("ada"));
        assert_eq!(owner(&timeline, 2_100, 2_300), None);
    }

    #[test]
    fn the_margin_takes_nothing_from_the_next_agent() {
        let timeline = Timeline::new([span("ada", 1_000, Some(2_000)), span("bo", 2_000, None)]);
        assert_eq!(owner(&timeline, 2_000, 2_080), Some("bo"));
        assert_eq!(owner(&timeline, 90_000, 90_200), Some("bo"));
    }

    #[test]
    fn an_open_leg_hides_what_began_later() {
        let timeline = Timeline::new([span("ada", 0, None), span("bo", 500, Some(700))]);
        assert_eq!(owner(&timeline, 500, 700), Some("ada"));
    }

    #[test]
    fn legs_that_never_lasted_own_nothing() {
        let timeline = Timeline::new([span("ada", 100, Some(100))]);
        assert_eq!(timeline.segments(), []);
    }
}
