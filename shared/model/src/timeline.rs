//! Whose audio is whose: from the spans of legs to one agent, or none, at each position.
//!
//! The engine and the consumer library answer this question with the same code.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{AgentId, CommunicationId};
use crate::time::Position;

/// One connected leg of an agent of ours, in media time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
///
/// A segment reaches a little beyond its ends where nobody else has a claim, as the positions of
/// call events are only as good as the clocks they come from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Timeline {
    segments: Vec<Segment>,
    /// What each segment reaches; in the same order, without overlaps.
    reaches: Vec<Reach>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Reach {
    from: Position,
    to: Option<Position>,
}

/// How far before a leg's beginning audio still counts as its own: Genesys' clock may be some
/// milliseconds behind ours.
pub(crate) const BEGIN_MARGIN: Duration = Duration::from_millis(50);

/// How far past a leg's end audio still counts as its own.
///
/// A position is computed from arrival times and so lies early by the least delay seen; without
/// this the last word of a call would be cut. With [`BEGIN_MARGIN`] it makes up the 300 ms that
/// may fall on the wrong side.
pub(crate) const END_MARGIN: Duration = Duration::from_millis(250);

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
        let reaches = reaches(&segments);
        Self { segments, reaches }
    }

    /// Returns the segments in order; they do not overlap.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Returns the segment that has most of the media from `from` to `to`, if any has some.
    ///
    /// For whoever gives frames whole to one agent.
    pub fn owner_of(&self, from: Position, to: Position) -> Option<&Segment> {
        let (first, parts) = self.common(from, to);
        parts
            .enumerate()
            // Of equals the first, so the agent who was there stays.
            .min_by_key(|(_, (from, to))| std::cmp::Reverse(to.samples_since(*from)))
            .map(|(index, _)| &self.segments[first + index])
    }

    /// Returns what of the media from `from` to `to` belongs to somebody, in order, to the
    /// sample.
    pub fn owned(
        &self,
        from: Position,
        to: Position,
    ) -> impl Iterator<Item = (Position, Position)> {
        self.common(from, to).1
    }

    /// What of a stretch each segment reaches, beginning with the segment of the index returned.
    fn common(
        &self,
        from: Position,
        to: Position,
    ) -> (usize, impl Iterator<Item = (Position, Position)>) {
        let first = self.reaches.partition_point(|reach| reach.to.is_some_and(|end| end <= from));
        let parts = self.reaches[first..]
            .iter()
            .take_while(move |reach| reach.from < to)
            .map(move |reach| (reach.from.max(from), reach.to.map_or(to, |end| end.min(to))));
        (first, parts)
    }
}

fn reaches(segments: &[Segment]) -> Vec<Reach> {
    let mut reaches: Vec<Reach> = Vec::with_capacity(segments.len());
    for (index, segment) in segments.iter().enumerate() {
        let next = segments.get(index + 1).map(|next| next.from);
        let to = segment.to.map(|to| {
            let reach = to.plus(END_MARGIN);
            next.map_or(reach, |next| reach.min(next))
        });
        let begin = Position::from_samples(
            segment.from.samples().saturating_sub(Position::ZERO.plus(BEGIN_MARGIN).samples()),
        );
        let before = reaches.last().and_then(|before| before.to).unwrap_or_default();
        reaches.push(Reach { from: begin.max(before), to });
    }
    reaches
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
        assert_eq!(owner(&timeline, 750, 950), None);
        assert_eq!(owner(&timeline, 900, 1_100), Some("ada"));
        assert_eq!(owner(&timeline, 2_000, 2_200), Some("bo"));
        assert_eq!(owner(&timeline, 1_900, 2_100), Some("ada"));
    }

    #[test]
    fn the_last_word_is_not_cut_and_what_follows_is_nobodys() {
        let timeline = Timeline::new([span("ada", 1_000, Some(2_000))]);
        assert_eq!(owner(&timeline, 2_200, 2_400), Some("ada"));
        assert_eq!(owner(&timeline, 2_250, 2_450), None);
    }

    #[test]
    fn what_is_owned_is_known_to_the_sample() {
        let timeline = Timeline::new([
            span("ada", 1_000, Some(2_000)),
            span("bo", 2_100, Some(3_000)),
            span("cy", 5_000, None),
        ]);
        let owned: Vec<_> = timeline.owned(ms(0), ms(9_000)).collect();
        assert_eq!(owned, [(ms(950), ms(2_100)), (ms(2_100), ms(3_250)), (ms(4_950), ms(9_000))]);
        assert_eq!(timeline.owned(ms(3_250), ms(4_950)).count(), 0);
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
