//! Who calls whom: an invented organization whose calls are known to the last leg.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sidetone_genesys_sim::{
    Conversation, Customer, Platform, PlatformConfig, Queue, SimClient, SimUser, Who,
};
use sidetone_model::{
    Adaptor, AgentId, ConversationId, ConversationKey, Leg, OrganizationId, Pii, Timestamp, User,
    UserId, UserStatus,
};
use sidetone_ports::{CallStore, Clock};
use sidetone_tracking::{Hosts, Secret, TrackerConfig};
use uuid::Uuid;

use crate::Failure;

const CLIENT_SECRET: &str = "not+a/real=secret";

/// How many agents one OAuth client follows.
const AGENTS_PER_CLIENT: u32 = 10_000;

pub(super) fn organization() -> OrganizationId {
    OrganizationId::new(Uuid::from_u128(0x0f0e_0d0c_0b0a_4908_8706_0504_0302_0100))
}

/// Returns the id of an OAuth client, from 0.
pub(super) fn client_id(number: u32) -> String {
    format!("b0a1c2d3-0000-4000-8000-{number:012x}")
}

pub(super) fn person(number: u32) -> SimUser {
    let id = UserId::new(Uuid::from_u128(
        0x6b1e_0c52_5a5e_4f0b_9a57_0000_0000_0000 + u128::from(number),
    ));
    SimUser::new(id, format!("agent{number}@sim.example"), "Invented Person")
}

/// Returns the agents as an administrator would have provisioned them.
pub(super) fn provisioned(agents: u32) -> Vec<User> {
    let user = |number: u32| User {
        agent: AgentId::new(format!("agent{number}")),
        name: Pii::new("Invented Person".to_owned()),
        username: Pii::new(format!("agent{number}@sim.example")),
        adaptor: Adaptor::GenesysCloud,
        team: String::new(),
        supervisor: String::new(),
        site: String::new(),
        status: UserStatus::Active,
    };
    (0..agents).map(user).collect()
}

/// Starts a platform with so many agents, and as many OAuth clients as they need.
pub(super) async fn platform(clock: Clock, agents: u32) -> Result<Platform, Failure> {
    let users = (0..agents).map(person).collect();
    let mut config = PlatformConfig::new(clock, organization(), client_id(0), CLIENT_SECRET, users);
    config.more_clients = (1..clients(agents))
        .map(|number| SimClient {
            id: client_id(number),
            secret: CLIENT_SECRET.to_owned(),
            organization: organization(),
        })
        .collect();
    Ok(Platform::start(config).await?)
}

const fn clients(agents: u32) -> u32 {
    agents.div_ceil(AGENTS_PER_CLIENT)
}

/// Returns what a tracker is told that follows so many agents.
pub(super) fn tracker_config(hosts: Hosts, agents: u32) -> TrackerConfig {
    let first = TrackerConfig::new(hosts, client_id(0), Secret::new(CLIENT_SECRET));
    (1..clients(agents)).fold(first, |config, number| {
        config.with_client(client_id(number), Secret::new(CLIENT_SECRET))
    })
}

/// How long the parts of a call last. Units: milliseconds.
#[derive(Debug, Clone)]
pub(super) struct Habits {
    pub(super) rings: std::ops::Range<u64>,
    pub(super) talks: std::ops::Range<u64>,
}

/// All calls that were made, each with its truth.
#[derive(Clone, Default)]
pub(super) struct Calls(Arc<Mutex<Vec<Conversation>>>);

impl Calls {
    pub(super) fn add(&self, call: Conversation) {
        self.all().push(call);
    }

    pub(super) fn len(&self) -> usize {
        self.all().len()
    }

    pub(super) fn all(&self) -> MutexGuard<'_, Vec<Conversation>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns which calls the store does not have as they were, that is with one leg and its
    /// true times, each in words.
    pub(super) async fn wrong_in(
        &self,
        store: &impl CallStore,
        now: Timestamp,
    ) -> Result<Vec<String>, Failure> {
        let calls: Vec<Conversation> = self.all().clone();
        let mut wrong = Vec::new();
        for call in &calls {
            let items = store.query(call.key(), now).await?;
            let legs: Vec<Leg> = items
                .iter()
                .filter(|item| item.name.starts_with("leg#"))
                .filter_map(|item| serde_json::from_slice(&item.bytes).ok())
                .collect();
            if !is_true(call, &legs) {
                wrong.push(described(call, &legs));
            }
        }
        Ok(wrong)
    }
}

/// Sets what the store has of a call beside what was true of it.
fn described(call: &Conversation, legs: &[Leg]) -> String {
    let stored = legs.iter().map(|leg| {
        let (began, ended) = (told(leg.connected_at), told(leg.ended_at));
        format!("answered {began}, ended {ended}, {:?}", leg.attribution)
    });
    let stored: Vec<String> = stored.collect();
    format!("a call that {} is stored as {stored:?}", truth_of(call))
}

/// Says what was true of a call.
pub(super) fn truth_of(call: &Conversation) -> String {
    let words = call.legs().first().map(|leg| {
        let (rang, began, ended) = (told(leg.rang_at), told(leg.connected_at), told(leg.ended_at));
        format!("rang {rang}, answered {began}, ended {ended}")
    });
    words.unwrap_or_default()
}

fn told(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "never".to_owned(), |at| at.to_string())
}

fn is_true(call: &Conversation, legs: &[Leg]) -> bool {
    let truth = call.legs();
    let ([leg], [truth]) = (legs, &truth[..]) else { return false };
    let millis = |at: Option<Timestamp>| at.map(|at| at.as_millis());
    millis(leg.connected_at) == millis(truth.connected_at)
        && millis(leg.ended_at) == millis(truth.ended_at)
        && leg.attribution.agent().is_some()
}

/// Begins a call that the queue rings at an agent.
pub(super) fn begin(clock: Clock, agent: &SimUser, random: &mut ChaCha8Rng) -> Conversation {
    let key = ConversationKey {
        organization: organization(),
        conversation: ConversationId::new(Uuid::from_u128(random.random())),
    };
    let customer = Customer {
        name: "Springfield, XX".to_owned(),
        ani: "+15555550100".to_owned(),
        dnis: "+15555550199".to_owned(),
    };
    let queue =
        Queue { id: Uuid::from_u128(0xe01), name: "Billing".to_owned(), auto_answer: false };
    let mut call = Conversation::inbound(key, customer, queue, clock.now());
    call.ring(agent, clock.now());
    call
}

/// Answers and ends a call that rings; `tell` is given it whenever something has happened.
pub(super) async fn go_on(
    clock: Clock,
    mut call: Conversation,
    agent: UserId,
    habits: &Habits,
    random: &mut ChaCha8Rng,
    mut tell: impl FnMut(&Conversation),
) -> Result<Conversation, Failure> {
    tell(&call);
    clock.sleep(Duration::from_millis(random.random_range(habits.rings.clone()))).await;
    call.answer(agent, clock.now())?;
    tell(&call);
    clock.sleep(Duration::from_millis(random.random_range(habits.talks.clone()))).await;
    call.hang_up(Who::Customer, clock.now())?;
    tell(&call);
    Ok(call)
}

pub(super) fn seeded(seed: u64, number: u64) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(number);
    random
}

pub(super) fn hosts(login: &str, api: &str) -> Result<Hosts, Failure> {
    Ok(Hosts::loopback(login, api)?)
}
