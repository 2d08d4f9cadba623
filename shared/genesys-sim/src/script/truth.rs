//! What is true of a scripted call, and how far Sidetone may fall short of it.

use std::time::Duration;

use sidetone_model::{Adaptor, AgentId, Media, Position};

use super::act::{Act, AudioScript, Expected, Step, Trouble};
use super::cast::Person;
use super::{Script, place};
use crate::voice::{Source, Stretch};

/// How long after notifications can come again what they did not bring is found at the latest:
/// another channel may have to be made, and analytics lags.
const FOUND_AFTER: Duration = Duration::from_secs(4);

/// How long after an administrator has moved an agent that takes effect at the latest; half of
/// what is promised.
const MOVED_WITHIN: Duration = Duration::from_secs(30);

/// How much may be missed or too much where the agent changes.
///
/// Units: milliseconds.
const CHANGE_MS_MAX: u64 = 300;

/// The truth about one call.
#[derive(Debug, Clone)]
pub struct Truth {
    /// Of each session, in the order of the script.
    pub sessions: Vec<SessionTruth>,
    /// Of the call, where there is no session that could tell of it.
    pub told: Vec<ToldLeg>,
}

/// An agent's part in a call of which nothing is heard, in the call's time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldLeg {
    /// The agent.
    pub agent: AgentId,
    /// When the agent's phone began to ring or to call.
    pub rang: Duration,
    /// When both were connected.
    pub started: Duration,
    /// When the call ended.
    pub ended: Duration,
}

/// A stretch in which an agent of ours and the customer were connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentSegment {
    /// The agent.
    pub agent: AgentId,
    /// When, in the session's media.
    pub stretch: Stretch,
}

/// A stretch in which something was so with an agent of ours: a hold, a mute, a conference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentSpan {
    /// The agent.
    pub agent: AgentId,
    /// When, in the session's media.
    pub stretch: Stretch,
}

/// The truth about one session.
#[derive(Debug, Clone)]
pub struct SessionTruth {
    /// What Sidetone must make of it.
    pub expected: Expected,
    /// Who of ours was connected when; in order, without overlaps. Empty for a session that
    /// must not be delivered.
    pub segments: Vec<AgentSegment>,
    /// The holds within the segments.
    pub holds: Vec<AgentSpan>,
    /// When an agent was muted; in order.
    pub mutes: Vec<AgentSpan>,
    /// When an agent talked with more than one other; by agent, then in order.
    pub conferences: Vec<AgentSpan>,
    /// How agents handed the customer on, by Sidetone's words; in order.
    pub transfers: Vec<(AgentId, &'static str)>,
    /// Where an agent is, or may still be, served by another telephony platform: nothing of it
    /// is owed. In order.
    pub moved: Vec<Stretch>,
    /// Where an agent certainly is, so that nothing may be delivered; in order.
    pub away: Vec<Stretch>,
    /// What the client will not send, by its own pauses and discards; in order.
    pub unsendable: Vec<Stretch>,
    /// How long the stream was.
    pub length: Position,
    /// How much of the segments may be missing.
    ///
    /// Units: milliseconds.
    pub missed_ms_max: u64,
    /// How much outside of the segments may be delivered.
    ///
    /// Units: milliseconds.
    pub extra_ms_max: u64,
    /// When both halves of the match could first be known, after the call's start: the session
    /// was connected and Genesys had told of the answer.
    pub matchable: Option<Duration>,
    sound: Source,
    sound_from: Position,
}

/// Somebody of ours on the line, in the call's time.
struct Talk {
    person: &'static Person,
    from: Duration,
    to: Duration,
    told: Duration,
    holds: Vec<(Duration, Duration)>,
}

/// From when to when something was so with somebody of ours, in the call's time.
struct Lapse {
    person: &'static Person,
    from: Duration,
    to: Duration,
}

impl Truth {
    pub(super) fn of(script: &Script) -> Self {
        let talks = talks(&script.steps);
        let sessions = script.sessions.iter();
        Self {
            sessions: sessions.map(|session| of_session(script, session, &talks)).collect(),
            told: if script.sessions.is_empty() { told(&script.steps) } else { Vec::new() },
        }
    }
}

impl SessionTruth {
    /// Returns the samples of a stretch, as a frame of that media would hold them.
    pub fn pcm(&self, stretch: Stretch, media: Media) -> Vec<u8> {
        let mut bytes = Vec::new();
        let samples = usize::try_from(stretch.samples()).unwrap_or(usize::MAX);
        let from = self.sound_from.plus_samples(stretch.from.samples());
        self.sound.encode(media, from, samples, &mut bytes);
        bytes
    }

    /// Returns the segments, less where their agents are certainly away.
    pub fn stints(&self) -> Vec<AgentSegment> {
        let here = |segment: &AgentSegment| {
            let stretches = Stretch::without(&[segment.stretch], &self.away);
            let agent = segment.agent.clone();
            stretches.into_iter().map(move |stretch| AgentSegment { agent: agent.clone(), stretch })
        };
        self.segments.iter().flat_map(here).collect()
    }

    /// Returns what has to be delivered: the segments, less what the client withheld.
    ///
    /// A client stops at the end of a frame, so what it really withheld, which its report
    /// says, may begin up to a frame before what the script calls unsendable.
    pub fn owed(&self, withheld: &[Stretch]) -> Vec<Stretch> {
        let mut segments = Vec::new();
        for segment in &self.segments {
            segment.stretch.append_to(&mut segments);
        }
        Stretch::without(&Stretch::without(&segments, withheld), &self.moved)
    }
}

fn of_session(script: &Script, session: &AudioScript, talks: &[Talk]) -> SessionTruth {
    let media = |from: Duration, to: Duration| {
        let since = |moment: Duration| place(moment.saturating_sub(session.begins));
        Stretch::new(since(from), since(to)).common(Stretch::new(Position::ZERO, session.length()))
    };
    let mut truth = SessionTruth {
        expected: session.expected,
        segments: Vec::new(),
        holds: Vec::new(),
        mutes: Vec::new(),
        conferences: Vec::new(),
        transfers: Vec::new(),
        moved: Vec::new(),
        away: Vec::new(),
        unsendable: unsendable(session),
        length: session.length(),
        missed_ms_max: 0,
        extra_ms_max: 0,
        matchable: None,
        sound: script.sound.clone(),
        sound_from: script.sound_from(session),
    };
    if session.expected != Expected::Matched {
        return truth;
    }
    for talk in talks {
        let agent = talk.person.agent();
        if let Some(stretch) = media(talk.from, talk.to) {
            // Where the audio itself begins or ends nobody changes.
            let edges = [stretch.from > Position::ZERO, stretch.to < truth.length];
            truth.extra_ms_max += CHANGE_MS_MAX * edges.map(u64::from).iter().sum::<u64>();
            truth.segments.push(AgentSegment { agent: agent.clone(), stretch });
            let connected = session.begins + session.connects_after;
            truth.matchable.get_or_insert(connected.max(talk.told));
        }
        let holds = talk.holds.iter().filter_map(|(from, to)| media(*from, *to));
        truth.holds.extend(holds.map(|stretch| AgentSpan { agent: agent.clone(), stretch }));
    }
    let spans = |lapses: Vec<Lapse>| -> Vec<AgentSpan> {
        let spans = lapses.into_iter().filter_map(|lapse| {
            Some(AgentSpan { agent: lapse.person.agent(), stretch: media(lapse.from, lapse.to)? })
        });
        spans.collect()
    };
    truth.mutes = spans(mutes(&script.steps));
    truth.conferences = spans(conferences(&script.steps));
    truth.conferences.sort_by(|a, b| (&a.agent, a.stretch).cmp(&(&b.agent, b.stretch)));
    truth.transfers = transfers(&script.steps);
    for (left, back) in moves(&script.steps) {
        truth.moved.extend(media(left, back + MOVED_WITHIN));
        truth.away.extend(media(left + MOVED_WITHIN, back));
    }
    truth.missed_ms_max = missed_ms_max(script);
    truth
}

/// Returns when agents were moved away and came back.
fn moves(steps: &[Step]) -> Vec<(Duration, Duration)> {
    let over = steps.last().map_or(Duration::ZERO, |step| step.at);
    let mut moves: Vec<(Duration, Duration)> = Vec::new();
    for step in steps {
        match (step.act, moves.last_mut()) {
            (Act::Platform(Trouble::Moves(_, Adaptor::GenesysCloud)), Some(last)) => {
                last.1 = step.at;
            }
            (Act::Platform(Trouble::Moves(..)), _) => moves.push((step.at, over)),
            _ => {}
        }
    }
    moves
}

/// At most 300 ms where a transfer moves the agent; and where Sidetone waits paused and nobody
/// saw it ring, what was said before Genesys told.
fn missed_ms_max(script: &Script) -> u64 {
    let allowed = |step: &Step| match step.act {
        Act::Transfers(..) | Act::CompletesConsult(..) => CHANGE_MS_MAX,
        Act::AnswersAlone(_) if script.listen == sidetone_model::Listen::Matched => {
            u64::try_from(step.lag.as_millis()).unwrap_or(u64::MAX) + CHANGE_MS_MAX
        }
        Act::Begins(_)
        | Act::AsksForCallback
        | Act::OffersCallback(_)
        | Act::AcceptsCallback(_)
        | Act::CallsBack(_)
        | Act::CustomerPicksUp
        | Act::CallsColleague(..)
        | Act::RingsDirectly(_)
        | Act::Declines(_)
        | Act::LeavesMessage(_)
        | Act::StandsBy(..)
        | Act::StandsOff(_)
        | Act::Platform(_)
        | Act::EntersQueue
        | Act::Rings(_)
        | Act::Answers(_)
        | Act::AnswersAlone(_)
        | Act::Dials(_)
        | Act::CustomerAnswers(_)
        | Act::Holds(_)
        | Act::Retrieves(_)
        | Act::Mutes(..)
        | Act::Consults(..)
        | Act::AnswersConsult(_)
        | Act::Confers(_)
        | Act::LeavesConsult(..)
        | Act::SecurePause(_)
        | Act::CustomerHangsUp
        | Act::AgentHangsUp(_)
        | Act::Terminates
        | Act::WrapsUp(_) => 0,
    };
    script.steps.iter().map(allowed).sum()
}

fn unsendable(session: &AudioScript) -> Vec<Stretch> {
    let discards = session.discards.iter().map(|discard| discard.stretch);
    let mut stretches: Vec<Stretch> = session.pauses.iter().copied().chain(discards).collect();
    stretches.sort_unstable();
    stretches
}

/// Returns when Sidetone can know of a step: when it is told, when the next word repeats one
/// that got lost, or when a gap was looked through into which it fell.
fn told_at(steps: &[Step], place: usize) -> Duration {
    let heard = |step: &&Step| !step.lost && !matches!(step.act, Act::Platform(_));
    let word = steps[place..].iter().find(heard).unwrap_or(&steps[place]);
    let mut told = word.at + word.lag;
    let mut deaf_since = None;
    for step in steps {
        let Act::Platform(trouble) = step.act else { continue };
        if matches!(trouble, Trouble::Moves(..)) {
            continue;
        }
        let since = *deaf_since.get_or_insert(step.at);
        if trouble == Trouble::SocketsFallSilent {
            continue;
        }
        let found = step.at + FOUND_AFTER;
        if (since..found).contains(&told) {
            told = found;
        }
        deaf_since = None;
    }
    told
}

/// Follows a call among users, of which there is no audio.
fn told(steps: &[Step]) -> Vec<ToldLeg> {
    let at = |is_it: fn(Act) -> bool| steps.iter().find(|step| is_it(step.act)).map(|it| it.at);
    let begun = at(|act| matches!(act, Act::Begins(_)));
    let started = at(|act| matches!(act, Act::Answers(_)));
    let ended = at(|act| matches!(act, Act::CustomerHangsUp | Act::AgentHangsUp(_)));
    let called = steps.iter().find_map(|step| {
        let Act::CallsColleague(from, to) = step.act else { return None };
        Some((step.at, from, to))
    });
    let (Some(begun), Some(started), Some(ended), Some((rang, from, to))) =
        (begun, started, ended, called)
    else {
        return Vec::new();
    };
    let leg = |person: &Person, rang| ToldLeg { agent: person.agent(), rang, started, ended };
    let legs = [(from, begun), (to, rang)].into_iter();
    legs.filter(|(person, _)| person.is_ours()).map(|(person, rang)| leg(person, rang)).collect()
}

/// Follows a script and notes who of ours was connected to the customer.
fn talks(steps: &[Step]) -> Vec<Talk> {
    let mut talks: Vec<Talk> = Vec::new();
    let mut open = false;
    for (place, step) in steps.iter().enumerate() {
        match step.act {
            Act::Answers(person) | Act::AnswersAlone(person) | Act::CustomerAnswers(person) => {
                if person.is_ours() {
                    let (from, told) = (step.at, told_at(steps, place));
                    talks.push(Talk { person, from, to: from, told, holds: Vec::new() });
                    open = true;
                }
            }
            Act::Holds(_) => {
                if let Some(talk) = talks.last_mut().filter(|_| open) {
                    talk.holds.push((step.at, step.at));
                }
            }
            Act::Retrieves(_) => {
                if let Some(hold) = talks.last_mut().and_then(|talk| talk.holds.last_mut()) {
                    hold.1 = step.at;
                }
            }
            Act::Transfers(..) | Act::CustomerHangsUp | Act::AgentHangsUp(_) => {
                if let Some(talk) = talks.last_mut().filter(|_| open) {
                    talk.to = step.at;
                }
                open = false;
            }
            Act::CompletesConsult(_, to) => {
                if let Some(talk) = talks.last_mut().filter(|_| open) {
                    talk.to = step.at;
                }
                open = to.is_ours();
                if open {
                    let (from, told) = (step.at, step.at + step.lag);
                    talks.push(Talk { person: to, from, to: from, told, holds: Vec::new() });
                }
            }
            Act::Begins(_)
            | Act::AsksForCallback
            | Act::OffersCallback(_)
            | Act::AcceptsCallback(_)
            | Act::CallsBack(_)
            | Act::CustomerPicksUp
            | Act::CallsColleague(..)
            | Act::RingsDirectly(_)
            | Act::Declines(_)
            | Act::LeavesMessage(_)
            | Act::StandsBy(..)
            | Act::StandsOff(_)
            | Act::Platform(_)
            | Act::EntersQueue
            | Act::Rings(_)
            | Act::Dials(_)
            | Act::Mutes(..)
            | Act::Consults(..)
            | Act::AnswersConsult(_)
            | Act::Confers(_)
            | Act::LeavesConsult(..)
            | Act::SecurePause(_)
            | Act::Terminates
            | Act::WrapsUp(_) => {}
        }
    }
    talks
}

/// Returns when somebody of ours was muted. The end of a call ends it.
fn mutes(steps: &[Step]) -> Vec<Lapse> {
    let mut mutes: Vec<Lapse> = Vec::new();
    for (place, step) in steps.iter().enumerate() {
        let Act::Mutes(person, true) = step.act else { continue };
        let ends = |later: &&Step| later.act == Act::Mutes(person, false) || is_end(later.act);
        let end = steps[place..].iter().find(ends).map_or(step.at, |later| later.at);
        mutes.push(Lapse { person, from: step.at, to: end });
    }
    mutes.retain(|lapse| lapse.person.is_ours());
    mutes
}

/// Returns when somebody of ours talked with the customer and another.
fn conferences(steps: &[Step]) -> Vec<Lapse> {
    let mut conferences = Vec::new();
    for (place, step) in steps.iter().enumerate() {
        let Act::Confers(agent) = step.act else { continue };
        let consulted = steps[..place].iter().rev().find_map(|before| {
            let Act::Consults(from, to) = before.act else { return None };
            (from == agent).then_some(to)
        });
        let ends = |later: &&Step| {
            let over = matches!(later.act, Act::LeavesConsult(..) | Act::CompletesConsult(..));
            over || is_end(later.act)
        };
        let to = steps[place..].iter().find(ends).map_or(step.at, |later| later.at);
        let both = [Some(agent), consulted].into_iter().flatten();
        conferences.extend(both.filter(|it| it.is_ours()).map(|person| Lapse {
            person,
            from: step.at,
            to,
        }));
    }
    conferences
}

fn transfers(steps: &[Step]) -> Vec<(AgentId, &'static str)> {
    let of = |step: &Step| {
        if let Act::Transfers(from, _) = step.act {
            return Some((from, "blind"));
        }
        let Act::CompletesConsult(from, _) = step.act else { return None };
        Some((from, "consult"))
    };
    let ours = steps.iter().filter_map(of).filter(|(from, _)| from.is_ours());
    ours.map(|(from, how)| (from.agent(), how)).collect()
}

fn is_end(act: Act) -> bool {
    matches!(act, Act::CustomerHangsUp | Act::AgentHangsUp(_))
}
