//! What is heard on a call, from what happens on it.

use std::time::Duration;

use sidetone_model::Direction;

use super::act::{Act, Step};
use super::place;
use crate::voice::{Scene, Sound, Speaker, Stretch};

/// Returns the scenes of a call, up to its end.
pub(super) fn scenes(direction: Direction, steps: &[Step], length: Duration) -> Vec<Scene> {
    let mut scenes = Vec::new();
    let mut sound = Sound::Silence;
    let mut since = Duration::ZERO;
    let changes =
        steps.iter().filter_map(|step| Some((step.at, sound_after(direction, step.act)?)));
    for (at, next) in changes.chain([(length, Sound::Silence)]) {
        if next == sound && at < length {
            continue;
        }
        scenes.push(Scene { stretch: Stretch::new(place(since), place(at)), sound });
        (sound, since) = (next, at);
    }
    scenes.retain(|scene| !scene.stretch.is_empty());
    scenes
}

/// Returns what the customer hears from then on, if that changes.
fn sound_after(direction: Direction, act: Act) -> Option<Sound> {
    match act {
        Act::Begins(_) => Some(match direction {
            Direction::Inbound => Sound::Music,
            Direction::Outbound => Sound::Silence,
        }),
        Act::Rings(_)
        | Act::RingsDirectly(_)
        | Act::CallsColleague(..)
        | Act::Transfers(..)
        | Act::Dials(_) => Some(Sound::Ringback),
        Act::Answers(person)
        | Act::AnswersAlone(person)
        | Act::CustomerAnswers(person)
        | Act::Retrieves(person)
        | Act::Mutes(person, false)
        | Act::Confers(person)
        | Act::CompletesConsult(_, person)
        | Act::LeavesConsult(_, person) => Some(Sound::Talk(Speaker::agent(person.number()))),
        Act::EntersQueue | Act::CustomerPicksUp | Act::Holds(_) | Act::Consults(..) => {
            Some(Sound::Music)
        }
        Act::CustomerHangsUp
        | Act::AgentHangsUp(_)
        | Act::LeavesMessage(_)
        | Act::Mutes(_, true) => Some(Sound::Silence),
        Act::AsksForCallback
        | Act::OffersCallback(_)
        | Act::AcceptsCallback(_)
        | Act::CallsBack(_)
        | Act::AnswersConsult(_)
        | Act::Declines(_)
        | Act::StandsBy(..)
        | Act::StandsOff(_)
        | Act::Platform(_)
        | Act::SecurePause(_)
        | Act::Terminates
        | Act::WrapsUp(_) => None,
    }
}
