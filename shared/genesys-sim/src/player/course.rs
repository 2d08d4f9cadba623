//! A script as the platform will see it: every snapshot, rendered beforehand.

use std::time::Duration;

use sidetone_model::{ConversationKey, Direction, Timestamp};
use uuid::Uuid;

use crate::conversation::{Conversation, Queue, Snapshot, StepError, Who};
use crate::script::{Act, QUEUE, QUEUE_NAME, Script, Step, Trouble};

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
    /// Whether it never arrives.
    pub(super) lost: bool,
    /// What happens to the platform; then there is nothing to publish.
    pub(super) trouble: Option<Trouble>,
    pub(super) snapshot: Snapshot,
    /// The conversation at that moment.
    pub(super) conversation: Conversation,
}

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
        for Step { at, lag, lost, act } in script.steps.iter().copied() {
            let at = begun_at + at;
            apply(&mut conversation, act, at)?;
            let snapshot = conversation.snapshot();
            let trouble = if let Act::Platform(trouble) = act { Some(trouble) } else { None };
            let conversation = conversation.clone();
            notices.push(Notice { at, lag, lost, trouble, snapshot, conversation });
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
        // A call whose customer has not been called yet: its agent gives up, or the queue does.
        match conversation.legs().last().map(|leg| leg.user) {
            Some(user) => conversation.hang_up(Who::Agent(user), at).ok()?,
            None => conversation.withdraw(at),
        }
    }
    conversation.terminate();
    Some(conversation.snapshot())
}

fn begin(script: &Script, key: ConversationKey, at: Timestamp) -> Conversation {
    let alone = |step: &Step| matches!(step.act, Act::AnswersAlone(_));
    let auto_answer = script.steps.iter().any(alone);
    let queue = Queue { id: QUEUE, name: QUEUE_NAME.to_owned(), auto_answer };
    let customer = script.customer.clone();
    let first = script.steps.first().map(|step| step.act);
    let among_users = |step: &Step| matches!(step.act, Act::CallsColleague(..));
    let among_users = script.steps.iter().any(among_users);
    match (script.direction, first) {
        (_, Some(Act::AsksForCallback)) => Conversation::callback(key, customer, queue, at),
        (Direction::Outbound, Some(Act::Begins(Some(agent)))) => {
            let queue = (!among_users).then_some(queue);
            Conversation::outbound(key, customer, queue, &agent.sim_user(), at)
        }
        (Direction::Outbound, Some(Act::Begins(None))) => {
            Conversation::dialed(key, customer, queue, at)
        }
        (Direction::Outbound | Direction::Inbound, _) => {
            Conversation::inbound(key, customer, queue, at)
        }
    }
}

fn apply(conversation: &mut Conversation, act: Act, at: Timestamp) -> Result<(), StepError> {
    match act {
        // Done by beginning.
        Act::Begins(_) | Act::AsksForCallback => {}
        // Not this conversation's matter.
        Act::Platform(_) => {}
        Act::OffersCallback(person) => conversation.offer_callback(&person.sim_user()),
        Act::AcceptsCallback(person) => conversation.accept_callback(person.id, at)?,
        Act::CallsBack(person) => conversation.call_back(person.id, at)?,
        Act::CustomerPicksUp => conversation.pick_up(at)?,
        Act::CallsColleague(from, to) => {
            conversation.call_colleague(from.id, &to.sim_user(), at)?;
        }
        Act::RingsDirectly(person) => conversation.ring_directly(&person.sim_user(), at),
        Act::Declines(person) => conversation.decline(person.id, at)?,
        Act::LeavesMessage(person) => conversation.voicemail(&person.sim_user(), at),
        Act::StandsBy(person, beside) => {
            conversation.stand_by(&person.sim_user(), beside, at)?;
        }
        Act::StandsOff(person) => conversation.stand_off(person.id, at)?,
        Act::EntersQueue => conversation.enter_queue(at),
        Act::Rings(person) => conversation.ring(&person.sim_user(), at),
        Act::Answers(person) | Act::AnswersConsult(person) => conversation.answer(person.id, at)?,
        Act::AnswersAlone(person) => conversation.connect(&person.sim_user(), at),
        Act::Dials(person) => conversation.dial(person.id, at)?,
        Act::CustomerAnswers(person) => conversation.connected(person.id, at)?,
        Act::Holds(person) => conversation.hold(person.id, at)?,
        Act::Retrieves(person) => conversation.retrieve(person.id, at)?,
        Act::Mutes(person, on) => conversation.mute(person.id, on)?,
        Act::Consults(from, to) => conversation.consult(from.id, &to.sim_user(), at)?,
        Act::Confers(_) => conversation.confer()?,
        Act::CompletesConsult(from, _) => conversation.complete_consult(from.id, at)?,
        Act::LeavesConsult(consulted, from) => {
            conversation.leave_consult(consulted.id, from.id, at)?;
        }
        Act::SecurePause(on) => conversation.secure_pause(on),
        Act::Transfers(from, to) => conversation.transfer_blind(from.id, &to.sim_user(), at)?,
        Act::CustomerHangsUp => conversation.hang_up(Who::Customer, at)?,
        Act::AgentHangsUp(person) => conversation.hang_up(Who::Agent(person.id), at)?,
        Act::Terminates => conversation.terminate(),
        Act::WrapsUp(person) => conversation.wrap_up(person.id, "resolved", at)?,
    }
    Ok(())
}
