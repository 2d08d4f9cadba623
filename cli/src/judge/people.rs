//! Compares who was on a call, and on hold, with who really was.

use sidetone_consumer::{LegStretch, SidecarStretch};
use sidetone_genesys_sim::{SessionTruth, Stretch};
use sidetone_model::{AgentId, Position};

use super::heard::Heard;
use super::problems::{Cause, Problem};
use super::recording::SessionRecording;
use super::stretches::millis_up;

/// How far an edge may be off.
///
/// Units: samples; 300 ms.
const EDGE_SHIFT_MAX: u64 = 300 * 8;

/// Somebody's stretch as it was found; its end may be open.
#[derive(Debug, Clone)]
pub(super) struct Found {
    agent: AgentId,
    from: Position,
    to: Option<Position>,
}

/// Which stretches are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// Where an agent and the customer were connected.
    Agents,
    /// Where an agent had the customer on hold.
    Holds,
    /// Where an agent was muted.
    Mutes,
    /// Where an agent talked with more than one other.
    Conferences,
}

impl What {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Agents => "agents",
            Self::Holds => "holds",
            Self::Mutes => "mutes",
            Self::Conferences => "conferences",
        }
    }

    /// Returns the stretches as the consumer library has them.
    pub(super) fn heard(self, heard: &Heard) -> Vec<Found> {
        let attribution = heard.view().attribution();
        match self {
            Self::Agents => attribution
                .segments()
                .iter()
                .map(|one| Found { agent: one.agent.clone(), from: one.from, to: one.to })
                .collect(),
            Self::Holds => found(attribution.holds()),
            Self::Mutes => found(attribution.mutes()),
            Self::Conferences => by_agent(found(attribution.conferences())),
        }
    }

    /// Returns the stretches as they stand beside the recording.
    pub(super) fn recorded(self, recording: &SessionRecording) -> Vec<Found> {
        let found = |agent: &AgentId, from: u64, to: Option<u64>| Found {
            agent: agent.clone(),
            from: Position::from_samples(from),
            to: to.map(Position::from_samples),
        };
        let stretches = |all: &[SidecarStretch]| -> Vec<Found> {
            all.iter().map(|one| found(&one.agent, one.from, one.to)).collect()
        };
        let sidecar = &recording.sidecar;
        match self {
            Self::Agents => {
                sidecar.agents.iter().map(|one| found(&one.agent, one.from, one.to)).collect()
            }
            Self::Holds => stretches(&sidecar.holds),
            Self::Mutes => stretches(&sidecar.mutes),
            Self::Conferences => by_agent(stretches(&sidecar.conferences)),
        }
    }

    /// Compares stretches with the true ones; nothing if they are the same.
    ///
    /// What lies behind the end of the media, or lasts no time within it, counts for nothing.
    /// When the move of an agent takes effect is not said, within its limit.
    pub(super) fn compare(
        self,
        place: &str,
        found: &[Found],
        truth: &[(AgentId, Stretch)],
        SessionTruth { length, moved, .. }: &SessionTruth,
    ) -> Option<Problem> {
        let length = *length;
        let whole = Stretch::new(Position::ZERO, length);
        let found: Vec<(AgentId, Stretch)> = found
            .iter()
            .filter_map(|one| {
                let stretch = Stretch::new(one.from, one.to.unwrap_or(length));
                Some((one.agent.clone(), stretch.common(whole)?))
            })
            .collect();
        let near = |a: Position, b: Position| {
            let both = |one: &Stretch| [a, b].iter().all(|at| (one.from..=one.to).contains(at));
            a.samples().abs_diff(b.samples()) <= EDGE_SHIFT_MAX || moved.iter().any(both)
        };
        let pairs = || found.iter().zip(truth);
        let same = found.len() == truth.len()
            && pairs().all(|((agent, _), (true_agent, _))| agent == true_agent);
        let exact = same
            && pairs().all(|((_, stretch), (_, true_stretch))| {
                near(stretch.from, true_stretch.from) && near(stretch.to, true_stretch.to)
            });
        let what = self.as_str();
        let sentence = || format!("{what} {place}: {}; in truth {}", list(&found), list(truth));
        let misnamed = pairs().any(|((agent, _), (true_agent, _))| agent != true_agent);
        let otherwise = if misnamed { Cause::Fault } else { Cause::Standstill };
        let cause = Cause::slowness_if(same, otherwise);
        (!exact).then(|| Problem { sentence: sentence(), cause })
    }
}

fn found(stretches: Vec<LegStretch>) -> Vec<Found> {
    let found = |one: LegStretch| Found { agent: one.agent, from: one.from, to: one.to };
    stretches.into_iter().map(found).collect()
}

/// Two agents are in one conference at the same time, so that time alone is no order.
fn by_agent(mut found: Vec<Found>) -> Vec<Found> {
    found.sort_by(|a, b| (&a.agent, a.from).cmp(&(&b.agent, b.from)));
    found
}

/// Returns who handed the customer on, and how, as the consumer library has it; in order.
pub(super) fn transfers_heard(heard: &Heard) -> Vec<(AgentId, String)> {
    let legs = heard.view().attribution().legs();
    let mut ends: Vec<_> = legs
        .filter_map(|leg| {
            let (agent, end) = (leg.agent()?.clone(), leg.end()?);
            Some((end.moment.position, agent, end.transfer?.to_owned()))
        })
        .collect();
    ends.sort();
    ends.into_iter().map(|(_, agent, how)| (agent, how)).collect()
}

/// Returns the same as it stands beside the recording.
pub(super) fn transfers_recorded(recording: &SessionRecording) -> Vec<(AgentId, String)> {
    let agents = recording.sidecar.agents.iter();
    agents.filter_map(|one| Some((one.agent.clone(), one.transfer.clone()?))).collect()
}

fn list(stretches: &[(AgentId, Stretch)]) -> String {
    let words: Vec<String> = stretches
        .iter()
        .map(|(agent, stretch)| {
            format!("{agent} {}-{} ms", stretch.from.as_millis(), millis_up(stretch.to.samples()))
        })
        .collect();
    if words.is_empty() { "nobody".to_owned() } else { words.join(", ") }
}
