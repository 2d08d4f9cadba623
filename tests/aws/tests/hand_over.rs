//! The tracker changes hands, and is killed, while people talk.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use sidetone_audiohook_proto::ClientConfig;
use sidetone_genesys_sim::{
    CallerReport, Cast, Conversation, Customer, Person, Queue, Standing, Who, call,
};
use sidetone_model::{
    ConversationId, ConversationKey, ParticipantId, Position, SessionId, Timestamp,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::calls::recording;
use crate::world::{World, deployed};

/// Calls, and the time between the beginnings of two.
const CALLS: u32 = 16;
const GAP: Duration = Duration::from_secs(10);

/// When each is answered, and when it ends: longer than nobody listens after a kill, so that
/// each is heard of.
const ANSWERED_AT: Duration = Duration::from_secs(5);
const ENDS_AT: Duration = Duration::from_secs(110);

/// When the tracker is killed; calls are answered before, and while nobody listens.
const KILLED_AT: Duration = Duration::from_secs(100);

/// How long nobody listens then at most.
const DEAF: Duration = Duration::from_secs(90);

/// How much may be missing at an end of what is heard.
const TOLERANCE: Duration = Duration::from_millis(300);

/// A call that took place.
struct Talked {
    conversation: ConversationId,
    person: &'static Person,
    /// When position zero was, and when the agent answered and left.
    begins: Timestamp,
    answered_at: Timestamp,
    ended_at: Timestamp,
    report: CallerReport,
}

/// Has one call take place, from now on.
async fn talk(world: &World, person: &'static Person) -> Talked {
    let (organization, clock) = (world.at.genesys.organization, world.clock);
    let conversation = ConversationId::new(Uuid::new_v4());
    let key = ConversationKey { organization, conversation };
    let customer = Customer {
        name: "Springfield, XX".to_owned(),
        ani: "+15555550100".to_owned(),
        dnis: "+15555550199".to_owned(),
    };
    let queue = Queue { id: Uuid::new_v4(), name: "A queue".to_owned(), auto_answer: false };
    // Genesys writes milliseconds.
    let now = || Timestamp::from_millis(clock.now().as_millis());
    let begins = now();
    let mut told = Conversation::inbound(key, customer, queue, begins);
    told.enter_queue(begins);
    world.platform.publish(&told.snapshot(), Duration::ZERO);
    let session = SessionId::new(Uuid::new_v4());
    let participant = ParticipantId::new(Uuid::new_v4().to_string());
    let plan = World::plan(
        ClientConfig::call(session, organization, conversation, participant),
        begins,
        ENDS_AT,
    );
    let target = world.audio_target();
    let heard = call(clock, &target, plan, CancellationToken::new());
    let telling = async {
        clock.sleep_until(begins + ANSWERED_AT / 2).await;
        told.ring(&person.sim_user(), now());
        world.platform.publish(&told.snapshot(), Duration::ZERO);
        clock.sleep_until(begins + ANSWERED_AT).await;
        let answered_at = now();
        told.answer(person.id, answered_at).expect("it rings");
        world.platform.publish(&told.snapshot(), Duration::ZERO);
        clock.sleep_until(begins + ENDS_AT).await;
        let ended_at = now();
        told.hang_up(Who::Customer, ended_at).expect("on the call");
        told.terminate();
        world.platform.publish(&told.snapshot(), Duration::ZERO);
        (answered_at, ended_at)
    };
    let (report, (answered_at, ended_at)) = tokio::join!(heard, telling);
    Talked { conversation, person, begins, answered_at, ended_at, report }
}

/// Asserts that a call has its agent, and all that was said, or all since somebody listened
/// again.
async fn assert_matched(world: &World, talked: &Talked, killed_at: Timestamp) {
    let report = &talked.report;
    assert!(report.is_clean(), "{report:#?}");
    let organization = world.at.genesys.organization;
    let key = ConversationKey { organization, conversation: talked.conversation };
    let (sidecar, _) = recording(world, key, report.session).await;
    let agents: Vec<_> = sidecar.agents.iter().map(|agent| agent.agent.clone()).collect();
    assert_eq!(agents, [talked.person.agent()], "{sidecar:#?}");
    assert!(sidecar.gaps.is_empty(), "{sidecar:#?}");
    let deaf = killed_at..killed_at + DEAF;
    let nobody_heard = deaf.contains(&talked.answered_at);
    let first = if nobody_heard { deaf.end } else { talked.answered_at };
    let place = |at: Timestamp| at.since(talked.begins);
    let heard = |samples: Option<u64>| Position::from_samples(samples.unwrap_or(0)).as_duration();
    let (from, to) = (heard(sidecar.start_position), heard(sidecar.end_position));
    assert!(from <= place(first) + TOLERANCE, "heard from {from:?}: {sidecar:#?}");
    // After the end the next holder tells of it, and what was said until then is there.
    let missed = place(talked.ended_at).saturating_sub(to);
    assert!(missed <= TOLERANCE, "heard to {to:?}: {sidecar:#?}");
}

/// Returns the fence under which the tracker's lease is held, which each holder has anew.
async fn fence(world: &World) -> Option<u64> {
    let table = world.stack().output("TrackerTable").expect("an output");
    let question = json!({
        "TableName": table,
        "FilterExpression": "begins_with(pk, :lease)",
        "ExpressionAttributeValues": { ":lease": { "S": "lease#tracker" } },
    });
    let answer = world.cloud.json("dynamodb", "DynamoDB_20120810.Scan", &question).await;
    let answer = answer.expect("readable");
    let items = answer["Items"].as_array().expect("items");
    items.iter().find_map(|item| item["fence"]["N"].as_str()?.parse().ok())
}

/// Returns all holders there are until it is told to stop, by their fences.
async fn holders(world: &World, stop: &CancellationToken) -> BTreeSet<u64> {
    let mut seen = BTreeSet::new();
    while !stop.is_cancelled() {
        seen.extend(fence(world).await);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    seen
}

/// Kills the processes of a function, as nothing on AWS asks before it does.
fn kill(function: &str) -> usize {
    let name = format!("AWS_LAMBDA_FUNCTION_NAME={function}");
    let of_function = |process: &fs::DirEntry| {
        let environment = fs::read(process.path().join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|pair| pair == name.as_bytes())
    };
    let processes = fs::read_dir("/proc").expect("Linux").flatten();
    let ids = processes
        .filter(of_function)
        .filter_map(|process| process.file_name().to_str()?.parse().ok())
        .filter_map(rustix::process::Pid::from_raw);
    ids.filter(|id| rustix::process::kill_process(*id, rustix::process::Signal::KILL).is_ok())
        .count()
}

#[test]
fn every_call_is_matched_over_two_hand_overs_and_a_killed_tracker() {
    deployed(async |world| {
        world.tracked().await;
        let (begun_at, over) = (world.clock.now(), CancellationToken::new());
        let people: Vec<_> = Cast::of(Standing::Ours).collect();
        let calls = (0..CALLS).map(|number| {
            let person = people[number as usize % people.len()];
            async move {
                world.clock.sleep_until(begun_at + GAP * number).await;
                talk(world, person).await
            }
        });
        let killing = async {
            world.clock.sleep_until(begun_at + KILLED_AT).await;
            kill(world.stack().output("TrackerFunction").expect("an output"))
        };
        let playing = async {
            let talked = join_all(calls).await;
            over.cancel();
            talked
        };
        let (talked, killed, holders) = tokio::join!(playing, killing, holders(world, &over));
        assert!(killed > 0, "no tracker ran");
        assert!(holders.len() >= 4, "two hand-overs and one killed, by {holders:?}");
        for talked in &talked {
            assert_matched(world, talked, begun_at + KILLED_AT).await;
        }
    });
}
