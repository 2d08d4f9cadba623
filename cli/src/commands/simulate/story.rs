//! A call in a sentence: who talked, what was heard of it, where it lies.

use sidetone_genesys_sim::{Cast, Expected, Scenario};
use sidetone_model::{AgentId, Position};

use crate::judge::{SessionRecording, Verdict};

/// What a person wants to know of a session, as the recording tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    /// Which scenario it was.
    pub scenario: Scenario,
    /// Who talked with the customer, and for how long; in order.
    pub agents: Vec<(AgentId, Position)>,
    /// How often the customer was put on hold.
    pub holds: usize,
    /// How often Genesys paused of its own accord, as where card numbers are spoken.
    pub secret_pauses: usize,
    /// How much sound the recording has.
    pub heard: Position,
    /// Why it was not matched, if it was not.
    pub reason: Option<String>,
    /// The name of the WAV file.
    pub wav: Option<String>,
}

impl Story {
    pub(super) fn of(
        scenario: Scenario,
        verdict: &Verdict,
        recording: Option<&SessionRecording>,
    ) -> Self {
        let matched = verdict.outcome == Expected::Matched.as_str();
        let reason = verdict.reason.clone().unwrap_or_else(|| verdict.outcome.clone());
        let reason = (!matched).then_some(reason);
        let mut story = Self {
            scenario,
            agents: Vec::new(),
            holds: 0,
            secret_pauses: 0,
            heard: Position::ZERO,
            reason,
            wav: None,
        };
        let Some(sidecar) = recording.map(|recording| &recording.sidecar) else { return story };
        if story.reason.is_some() {
            return story;
        }
        let end = sidecar.end_position.unwrap_or_default();
        story.agents = sidecar
            .agents
            .iter()
            .map(|one| {
                let to = one.to.unwrap_or(end).min(end);
                (one.agent.clone(), Position::from_samples(to.saturating_sub(one.from)))
            })
            .collect();
        story.holds = sidecar.holds.len();
        story.secret_pauses =
            sidecar.pauses.iter().filter(|pause| pause.asked == Some(false)).count();
        let kept = sidecar.audio.samples.saturating_sub(sidecar.audio.samples_of_nobody);
        story.heard = Position::from_samples(kept);
        story.wav.clone_from(&sidecar.wav);
        story
    }

    /// Tells it.
    pub fn sentence(&self) -> String {
        match self.reason.as_deref() {
            None => {}
            Some("probe") => return "Genesys tested the connection".to_owned(),
            Some("told") => {
                return "a call among users: told, with nothing to hear".to_owned();
            }
            Some("duplicate") => {
                return "a second session of the same call, kept silent".to_owned();
            }
            Some("not-answered") => {
                return "nobody answered: nothing was heard".to_owned();
            }
            Some(reason) => return format!("nobody of ours ({reason}): nothing was heard"),
        }
        let talks: Vec<String> = self
            .agents
            .iter()
            .map(|(agent, time)| format!("{} {}", name_of(agent), seconds(*time)))
            .collect();
        let mut text = format!("the customer and {}", talks.join(", then "));
        if self.holds > 0 {
            text += &format!("; {} on hold", times(self.holds));
        }
        if self.secret_pauses > 0 {
            text += &format!("; {} paused and not heard", times(self.secret_pauses));
        }
        format!("{text}; {} heard", seconds(self.heard))
    }
}

fn name_of(agent: &AgentId) -> String {
    let person = Cast::everyone().iter().find(|person| person.agent() == *agent);
    person.map_or_else(|| agent.to_string(), |person| person.name.to_owned())
}

fn seconds(time: Position) -> String {
    let tenths = (time.as_millis() + 50) / 100;
    format!("{}.{} s", tenths / 10, tenths % 10)
}

fn times(count: usize) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        count => format!("{count} times"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn story() -> Story {
        Story {
            scenario: Scenario::Transfer,
            agents: vec![
                (AgentId::new("ada.ashgrove"), Position::from_millis(12_340)),
                (AgentId::new("somebody"), Position::from_millis(9_960)),
            ],
            holds: 0,
            secret_pauses: 0,
            heard: Position::from_millis(22_300),
            reason: None,
            wav: None,
        }
    }

    #[test]
    fn tells_who_talked_and_what_was_heard() {
        assert_eq!(
            story().sentence(),
            "the customer and Ada Ashgrove 12.3 s, then somebody 10.0 s; 22.3 s heard"
        );
        let story = Story { holds: 2, secret_pauses: 1, ..story() };
        assert!(story.sentence().contains("; twice on hold; once paused and not heard; 22.3 s"));
    }

    #[test]
    fn tells_why_nothing_was_heard() {
        let told = |reason: &str| Story { reason: Some(reason.into()), ..story() }.sentence();
        assert_eq!(told("collision"), "nobody of ours (collision): nothing was heard");
        assert_eq!(told("not-answered"), "nobody answered: nothing was heard");
    }
}
