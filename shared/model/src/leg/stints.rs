//! A leg in its stints: moving an agent to another adaptor while the call goes on, or back,
//! ends one stint and begins the next, so that what was heard before stays whose it was.

use super::{Answer, Attribution, EndReason, Hold, Leg, NotOurs};
use crate::id::CommunicationId;
use crate::time::Timestamp;

impl Leg {
    /// Returns the leg as one leg a stint, in order; nearly always that is the leg itself.
    ///
    /// The first keeps the communication's id, `c`; those after it are called `c~1`, `c~2`, ….
    /// Each but the last ends as [`EndReason::Moved`], and the next is connected at that moment.
    pub fn stints(&self) -> Vec<Self> {
        let turns = self.turns();
        let ends = turns.iter().skip(1).map(|turn| Some(turn.at)).chain([None]);
        let stints = turns.iter().zip(ends).enumerate();
        stints.map(|(number, (turn, end))| self.stint(number, turn, end)).collect()
    }

    /// Returns who it was and since when, one entry a stint.
    ///
    /// Not having known who it is counts for nothing once it is known: the agent was there all
    /// the time. A move counts from when it was found out, and no more once the call is over.
    fn turns(&self) -> Vec<Answer> {
        let mut turns: Vec<Answer> = Vec::new();
        for answer in self.answers() {
            let Some(last) = turns.last_mut() else {
                turns.push(answer);
                continue;
            };
            let is_over = self.ended_at.is_some_and(|end| end <= answer.at);
            let talks = self.connected_at.is_some_and(|from| from < answer.at) && !is_over;
            if last.who == answer.who || is_over && !is_open(&last.who) {
                continue;
            }
            if talks && is_move(&last.who, &answer.who) {
                turns.push(answer);
            } else {
                *last = answer;
            }
        }
        turns
    }

    fn stint(&self, number: usize, turn: &Answer, end: Option<Timestamp>) -> Self {
        let mut stint = Self {
            attribution: turn.who.clone(),
            attributed_at: turn.at,
            earlier: Default::default(),
            ..self.clone()
        };
        if number > 0 {
            stint.communication = CommunicationId::new(format!("{}~{number}", self.communication));
            stint.ringing_at = None;
            stint.connected_at = Some(turn.at);
            stint.late = false;
            stint.holds = self.holds.iter().filter_map(|hold| from_on(*hold, turn.at)).collect();
            stint.mutes = self.mutes.since(turn.at);
            stint.conferences = self.conferences.since(turn.at);
        }
        if let Some(end) = end {
            stint.ended_at = Some(end);
            stint.end_reason = Some(EndReason::Moved);
            stint.holds.retain(|hold| hold.from < end);
            for hold in &mut stint.holds {
                hold.to = hold.to.filter(|to| *to < end);
            }
            (stint.wrap_up_at, stint.wrapped_up_at) = (None, None);
        }
        stint
    }
}

/// Returns whether an answer is none: Genesys, or the administrator, has yet to say.
const fn is_open(who: &Attribution) -> bool {
    matches!(who, Attribution::NotOurs(NotOurs::LookupFailed | NotOurs::UnknownUser))
}

/// Returns whether somebody came to Sidetone or left it.
const fn is_move(before: &Attribution, now: &Attribution) -> bool {
    match (before, now) {
        (Attribution::Ours(_), _) => true,
        (Attribution::NotOurs(NotOurs::OtherAdaptor | NotOurs::Inactive), now) => {
            matches!(now, Attribution::Ours(_))
        }
        (Attribution::NotOurs(_), _) => false,
    }
}

fn from_on(hold: Hold, at: Timestamp) -> Option<Hold> {
    let lasts = hold.to.is_none_or(|to| to > at);
    lasts.then(|| Hold { from: hold.from.max(at), ..hold })
}

#[cfg(test)]
mod tests;
