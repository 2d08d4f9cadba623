//! A script as the platform will see it: every snapshot, rendered beforehand.

use std::time::Duration;

use sidetone_model::{ConversationKey, Direction, Timestamp};
use uuid::Uuid;

use crate::conversation::{Conversation, Queue, Snapshot, StepError, Who};
use crate::script::{Act, Script, Step};

/// What is to be published, and when.
#[derive(Debug)]
pub(super) struct Course {
    pub(super) notices: Vec<Notice>,
    /// The customer's participant, whom every audio session names.
    pub(super) participant: Uuid,
    /// When the call began.
    pub(super) begun_at: Timestamp,
}

/// One snapshot.
#[derive(Debug)]
pub(super) struct Notice {
    pub(super) at: Timestamp,
    pub(super) lag: Duration,
    pub(super) snapshot: Snapshot,
    /// The conversation at that moment.
    pub(super) conversation: Conversation,
}

/// The queue of all simulated calls.
const QUEUE: Uuid = Uuid::from_u128(0x9d4f_0a10_0000_4000_8000_0000_0000_0e01);

impl Course {
    /// Renders a script from its start on.
    ///
    /// Errors: a step that the call's state does not allow, which is a mistake in the script.
    pub(super) fn render(
        script: &Script,
        key: ConversationKey,
        begun_at: Timestamp,
    ) -> Result<Self, StepError> {
        let mut conversation = begin(script, key, begun_at);
        let mut notices = Vec::with_capacity(script.steps.len());
        for Step { at, lag, act } in script.steps.iter().copied() {
            let at = begun_at + at;
            apply(&mut conversation, act, at)?;
            let snapshot = conversation.snapshot();
            notices.push(Notice { at, lag, snapshot, conversation: conversation.clone() });
        }
        let participant = conversation.customer_participant().unwrap_or_default();
        Ok(Self { notices, participant, begun_at })
    }
}

/// Ends a conversation where it is, as a customer who hangs up would.
pub(super) fn cut_short(mut conversation: Conversation, at: Timestamp) -> Option<Snapshot> {
    if conversation.is_over() {
        return None;
    }
    if conversation.hang_up(Who::Customer, at).is_err() {
        // An outbound call whose customer has not been called yet: its agent gives up.
        let user = conversation.legs().last()?.user;
        conversation.hang_up(Who::Agent(user), at).ok()?;
    }
    conversation.terminate();
    Some(conversation.snapshot())
}

fn begin(script: &Script, key: ConversationKey, at: Timestamp) -> Conversation {
    let alone = |step: &Step| matches!(step.act, Act::AnswersAlone(_));
    let auto_answer = script.steps.iter().any(alone);
    let queue = Queue { id: QUEUE, name: "Simulated queue".to_owned(), auto_answer };
    let customer = script.customer.clone();
    let dialer = script.steps.iter().find_map(|step| match step.act {
        Act::Begins(person) => person,
        Act::EntersQueue
        | Act::Rings(_)
        | Act::Answers(_)
        | Act::AnswersAlone(_)
        | Act::Dials(_)
        | Act::CustomerAnswers(_)
        | Act::Holds(_)
        | Act::Retrieves(_)
        | Act::SecurePause(_)
        | Act::Transfers(..)
        | Act::CustomerHangsUp
        | Act::AgentHangsUp(_)
        | Act::Terminates
        | Act::WrapsUp(_) => None,
    });
    match (script.direction, dialer) {
        (Direction::Outbound, Some(agent)) => {
            Conversation::outbound(key, customer, Some(queue), &agent.sim_user(), at)
        }
        (Direction::Outbound, None) | (Direction::Inbound, _) => {
            Conversation::inbound(key, customer, queue, at)
        }
    }
}

fn apply(conversation: &mut Conversation, act: Act, at: Timestamp) -> Result<(), StepError> {
    match act {
        // Done by beginning.
        Act::Begins(_) => {}
        Act::EntersQueue => conversation.enter_queue(at),
        Act::Rings(person) => conversation.ring(&person.sim_user(), at),
        Act::Answers(person) => conversation.answer(person.id, at)?,
        Act::AnswersAlone(person) => conversation.connect(&person.sim_user(), at),
        Act::Dials(person) => conversation.dial(person.id, at)?,
        Act::CustomerAnswers(person) => conversation.connected(person.id, at)?,
        Act::Holds(person) => conversation.hold(person.id, at)?,
        Act::Retrieves(person) => conversation.retrieve(person.id, at)?,
        Act::SecurePause(on) => conversation.secure_pause(on),
        Act::Transfers(from, to) => conversation.transfer_blind(from.id, &to.sim_user(), at)?,
        Act::CustomerHangsUp => conversation.hang_up(Who::Customer, at)?,
        Act::AgentHangsUp(person) => conversation.hang_up(Who::Agent(person.id), at)?,
        Act::Terminates => conversation.terminate(),
        Act::WrapsUp(person) => conversation.wrap_up(person.id, "resolved", at)?,
    }
    Ok(())
}
