//! Every cause that `sidetone why` knows, from a call that has it.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use sidetone_audiohook_proto::Handshake;
use sidetone_genesys_sim::{Cast, Failure, Person, SimUser, Standing};
use sidetone_lambda_door::{Door, DoorConfig, MessageEvent, admit};
use sidetone_model::{ConversationId, Listen, OnHold, ParticipantId, SessionId, UserId};
use sidetone_ports::{Clock, ConnectionStore};
use sidetone_ports_embedded::{DataDir, Store, Stream};
use sidetone_testkit::{MemoryLine, fresh_connection};
use uuid::Uuid;

use crate::world::{
    Client, Credentials, LiveCall, ORGANIZATION, PATIENCE, Running, SimCaller, Site, Upgrade, ada,
    binary_frame, bo, delivered, frame, until,
};

/// Asks why, as a program would.
async fn why(site: &Site, conversation: impl ToString) -> Value {
    let (conversation, organization) = (conversation.to_string(), ORGANIZATION.to_string());
    let asked = ["why", "--json", &conversation, "--organization", &organization];
    let answer = site.sidetone(asked).await;
    assert_eq!(answer.code, Some(0), "{answer:#?}");
    answer.json()
}

/// Asks until a cause is the one that counts.
pub(crate) async fn becomes(site: &Site, conversation: ConversationId, cause: &str) -> Value {
    until(&format!("{conversation} is {cause}"), || async {
        let answer = why(site, conversation).await;
        (answer["cause"] == cause).then_some(answer)
    })
    .await
}

fn kinds(answer: &Value) -> Vec<&str> {
    let entries = answer["timeline"].as_array().expect("a timeline");
    entries.iter().map(|entry| entry["what"].as_str().expect("a kind")).collect()
}

fn nobody() -> ConversationId {
    ConversationId::new(Uuid::new_v4())
}

/// A call whose audio is open and whose agent talks.
async fn talking(site: &Site, running: &Running, agent: &Person) -> (LiveCall, SimCaller) {
    let mut call = LiveCall::begin(site);
    let caller = SimCaller::call(site, site.target(running), call.id());
    running.session_is(caller.session, "paused").await;
    call.ring(agent);
    running.session_is(caller.session, "listening").await;
    call.answer(agent);
    delivered(site, caller.session, 3).await;
    (call, caller)
}

/// A hand-made client on a call whose agent talks.
async fn handmade(site: &Site, running: &Running, agent: &Person) -> (LiveCall, Client) {
    let mut call = LiveCall::begin(site);
    let (mut client, _) = Client::open(site, running, call.id()).await;
    client.pause().await;
    call.ring(agent);
    client.hear("resume").await;
    client.resume().await;
    call.answer(agent);
    client.talk(6).await;
    delivered(site, client.session, 2).await;
    (call, client)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_explained_from_its_queue_to_its_end() {
    let site = Site::new("").await;
    let running = site.run().await;
    let mut call = LiveCall::begin(&site);
    let caller = SimCaller::call(&site, site.target(&running), call.id());
    running.session_is(caller.session, "paused").await;
    let waiting = becomes(&site, call.id(), "no-agent-yet").await;
    assert_eq!(waiting["sessions"][0]["door"], "socket");
    assert_eq!(
        (&waiting["sessions"][0]["running"], kinds(&waiting)[0]),
        (&true.into(), "audio-opened")
    );
    call.ring(ada());
    running.session_is(caller.session, "listening").await;
    let ringing = becomes(&site, call.id(), "no-agent-yet").await;
    assert_eq!(ringing["legs"][0]["agent_id"], ada().agent().as_str());
    call.answer(ada());
    delivered(&site, caller.session, 3).await;
    call.hang_up();
    caller.end().await;
    let matched = becomes(&site, call.id(), "matched").await;
    assert!(matched["sessions"][0]["frames"].as_u64() >= Some(3), "{matched:#}");
    assert_eq!(matched["legs"][0]["sources"], json!(["socket"]), "{matched:#}");
    for kind in [
        "audio-opened",
        "call-event",
        "user-looked-up",
        "matched",
        "audio-delivered",
        "audio-ended",
    ] {
        assert!(kinds(&matched).contains(&kind), "{kind} is missing: {matched:#}");
    }
    // For people: the same, by the beginning of its id.
    let start = &call.id().to_string()[..8];
    let plain = site.sidetone(["why", start]).await;
    assert!(plain.stdout.contains("cause         matched: "), "{plain:#?}");
    assert!(plain.stdout.contains("opened at the audio door"), "{plain:#?}");

    let unheard_of = why(&site, nobody()).await;
    assert_eq!(unheard_of["cause"], "never-heard-of");
    assert!(unheard_of["next_step"].as_str().expect("a text").contains("AudioHook"));
    let probe = why(&site, Uuid::nil()).await;
    assert_eq!(probe["cause"], "probe");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_ours_is_said_with_the_reason() {
    let site = Site::new("").await;
    let ghost = SimUser::new(UserId::new(Uuid::new_v4()), "ghost@sim.example", "A ghost");
    let path = format!("/api/v2/users/{}", ghost.id);
    let refused = Failure::Status { status: 403, retry_after: None };
    site.platform.fail_next_at(&path, 1_000, refused);
    let one = |standing| Cast::of(standing).next().expect("the cast has one").sim_user();
    Cast::of(Standing::Colliding).for_each(|person| site.platform.put_user(person.sim_user()));
    let inactive = Cast::of(Standing::Ours).last().expect("the cast has agents");
    let file = site.path("more.csv");
    let rows = format!(
        "name,email,adaptor,status\nKay,{},avaya,active\nHal,{},genesys-cloud,inactive\n",
        one(Standing::Elsewhere).username,
        inactive.username,
    );
    std::fs::write(&file, rows).expect("writable");
    let (file, organization) = (file.display().to_string(), ORGANIZATION.to_string());
    let import = ["users", "import", &file, "--organization", &organization];
    assert_eq!(site.sidetone(import).await.code, Some(0));
    let running = site.run().await;
    for (user, cause) in [
        (one(Standing::Unknown), "unknown-user"),
        (one(Standing::Colliding), "collision"),
        (one(Standing::Elsewhere), "other-adaptor"),
        (inactive.sim_user(), "inactive"),
        (ghost, "lookup-failed"),
    ] {
        // Genesys tells of a stranger on a call that came to an agent of ours first.
        let mut call = LiveCall::begin(&site);
        let caller = SimCaller::call(&site, site.target(&running), call.id());
        running.session_is(caller.session, "paused").await;
        call.ring(ada());
        call.no_answer(ada());
        call.is_answered_by(&user);
        let answer = becomes(&site, call.id(), cause).await;
        let of_user = |leg: &Value| leg["user_id"] == user.id.to_string();
        let legs = answer["legs"].as_array().expect("legs");
        let leg = legs.iter().find(|leg| of_user(leg)).expect("the stranger's leg");
        assert_eq!((&leg["reason"], &leg["agent_id"]), (&cause.into(), &Value::Null), "{answer:#}");
        assert!(answer["also"].as_array().expect("a list").contains(&"not-answered".into()));
        call.hang_up();
        caller.end().await;
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_became_of_the_audio_is_said() {
    let site = Site::new("").await;
    let running = site.run().await;

    let mut unanswered = LiveCall::begin(&site);
    let caller = SimCaller::call(&site, site.target(&running), unanswered.id());
    running.session_is(caller.session, "paused").await;
    unanswered.ring(ada());
    unanswered.no_answer(ada());
    unanswered.hang_up();
    caller.end().await;
    becomes(&site, unanswered.id(), "not-answered").await;

    let untold = nobody();
    let caller = SimCaller::call(&site, site.target(&running), untold);
    running.session_is(caller.session, "paused").await;
    caller.end().await;
    becomes(&site, untold, "never-told").await;

    let (twins, first) = talking(&site, &running, ada()).await;
    let id = twins.id();
    let answer = why(&site, id).await;
    let participant = "the customer";
    assert_eq!(answer["cause"], "matched");
    let twin = async || {
        let caller = SimCaller::call_with(&site, site.target(&running), id, |plan| {
            plan.config.open.participant.id = ParticipantId::new(participant);
        });
        running.session_is(caller.session, "paused").await;
        caller
    };
    first.end().await;
    let (leader, follower) = (twin_that_listens(&site, &running, id).await, twin().await);
    let answer = until("the second twin is a duplicate", || async {
        let answer = why(&site, id).await;
        let sessions = answer["sessions"].as_array().expect("sessions").clone();
        let of = |session: &SessionId| {
            let same = |one: &&Value| one["session_id"] == session.to_string();
            sessions.iter().find(same).map(|one| one["cause"].clone())
        };
        let both = (of(&leader.session)?, of(&follower.session)?);
        (both == ("matched".into(), "duplicate-session".into())).then_some(answer)
    })
    .await;
    assert!(answer["also"].as_array().expect("a list").contains(&"duplicate-session".into()));
    drop(twins);
    leader.end().await;
    follower.end().await;
    running.stop().await;
}

/// A session of the customer, which listens at once: the agent already talks.
async fn twin_that_listens(
    site: &Site,
    running: &Running,
    conversation: ConversationId,
) -> SimCaller {
    let caller = SimCaller::call_with(site, site.target(running), conversation, |plan| {
        plan.config.open.participant.id = ParticipantId::new("the customer");
    });
    running.session_is(caller.session, "listening").await;
    caller
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_went_wrong_is_said() {
    let site = Site::new("").await;
    let running = site.run().await;

    let (call, mut client) = handmade(&site, &running, ada()).await;
    client.pause().await;
    becomes(&site, call.id(), "paused-by-flow").await;
    // Audio while paused breaks the protocol.
    client.send(&binary_frame(&frame(client.samples, 800))).await;
    client.leave_when_told().await;
    becomes(&site, call.id(), "protocol-violation").await;

    let (call, client) = handmade(&site, &running, bo()).await;
    drop(client);
    becomes(&site, call.id(), "connection-lost").await;

    let call = LiveCall::begin(&site);
    let mut client = Upgrade::signed(&site, &running).connect(site.clock).await;
    client.say("open", open_without_media(call.id())).await;
    client.hear("opened").await;
    let answer = becomes(&site, call.id(), "nothing-offered").await;
    assert_eq!(answer["timeline"][0]["unheard"], "nothing-offered", "{answer:#}");
    client.close().await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_open_is_linked_to_the_call_that_it_names() {
    let site = Site::new("").await;
    let running = site.run().await;
    let mut call = LiveCall::begin(&site);
    let mut client = Upgrade::signed(&site, &running).connect(site.clock).await;
    let mut open = open_without_media(call.id());
    open["media"] = json!("PCMU");
    client.say("open", open).await;
    let session = client.session;
    client.leave_when_told().await;
    call.ring(ada());
    call.answer(ada());
    let answer = becomes(&site, call.id(), "protocol-violation").await;
    let summary = answer["summary"].as_str().expect("a text");
    assert!(summary.contains(&session.to_string()), "{answer:#}");
    assert!(summary.contains("first of them media"), "{answer:#}");
    assert!(kinds(&answer).contains(&"protocol-violated"), "{answer:#}");
    call.hang_up();
    running.stop().await;
}

fn open_without_media(conversation: ConversationId) -> Value {
    json!({
        "organizationId": ORGANIZATION.to_string(),
        "conversationId": conversation.to_string(),
        "participant": { "id": "p", "ani": "+15555550100", "aniName": "R", "dnis": "+15555550199" },
        "media": [],
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_whose_audio_never_came_says_whether_it_was_refused() {
    let site = Site::new("").await;
    let running = site.run().await;
    let mut call = LiveCall::begin(&site);
    call.ring(ada());
    call.answer(ada());
    becomes(&site, call.id(), "call-events-without-audio").await;
    let stranger =
        Credentials { api_key: "nobody's".to_owned(), secret: site.credentials.secret.clone() };
    let refused = Upgrade::signed_as(&running, &stranger, site.clock.now()).send().await;
    assert_eq!(refused.status, 401);
    let answer = becomes(&site, call.id(), "key-refused").await;
    let last = answer["timeline"].as_array().and_then(|all| all.last()).expect("an entry").clone();
    assert_eq!((&last["what"], &last["count"]), (&"refused".into(), &1.into()), "{answer:#}");
    assert!(!answer.to_string().contains("nobody's"), "{answer:#}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tracker_that_does_not_run_or_cannot_hear_is_said() {
    let site = Site::with("", |platform| {
        let division = Uuid::new_v4();
        platform.forbidden_divisions = BTreeSet::from([division]);
        let ada = platform.users.iter_mut().find(|user| user.id == ada().id).expect("the cast");
        ada.division = division;
    })
    .await;
    let deaf = site.run_deaf().await;
    let untold = nobody();
    let caller = SimCaller::call(&site, site.target(&deaf), untold);
    deaf.session_is(caller.session, "paused").await;
    becomes(&site, untold, "tracker-not-running").await;
    caller.end().await;
    deaf.stop().await;

    let running = site.run().await;
    let untold = nobody();
    let caller = SimCaller::call(&site, site.target(&running), untold);
    running.session_is(caller.session, "paused").await;
    until("the topic that Genesys refuses is said", || async {
        let answer = becomes(&site, untold, "not-subscribed").await;
        let summary = answer["summary"].as_str().expect("a text");
        summary.contains("of whom Genesys refuses 1").then_some(())
    })
    .await;
    caller.end().await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_door_that_died_and_one_that_was_stopped_are_told_apart() {
    let site = Site::new("drain_seconds = 1").await;
    let running = site.run().await;
    let (call, _caller) = talking(&site, &running, ada()).await;
    running.process.kill().await;
    let running = site.run().await;
    let died = becomes(&site, call.id(), "door-died").await;
    assert!(kinds(&died).contains(&"audio-missing"), "{died:#}");

    let (call, client) = handmade(&site, &running, bo()).await;
    running.process.signal("TERM").await;
    client.leave_when_told().await;
    assert_eq!(running.process.finish(PATIENCE).await.code, Some(0));
    becomes(&site, call.id(), "door-shut-down").await;
}

/// The door behind API Gateway over the same data, as its functions have it over a stack's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_door_that_cannot_hear_is_said() {
    let site = Site::new("").await;
    let data = DataDir::open(&site.data()).expect("a data directory");
    let (store, clock) = (Store::open(&data.store()).expect("a store"), Clock::system());
    let stream = Stream::open(&data.stream(), clock).expect("a stream");
    let (config, line) = (DoorConfig::new(Listen::Matched, OnHold::Keep, false), MemoryLine::new());
    let door = Door::new(clock, config.clone(), store.clone(), stream, line.clone());
    let (connection, conversation) = (fresh_connection(), nobody());
    let session = SessionId::new(Uuid::new_v4());
    let handshake = Handshake { organization: ORGANIZATION, session_id: session.into() };
    admit(&store, &clock, &config, connection.clone(), handshake).await.expect("a store");
    let mut parameters = open_without_media(conversation);
    parameters["media"] = json!([{
        "type": "audio", "format": "PCMU", "channels": ["external", "internal"], "rate": 8000,
    }]);
    let open = json!({
        "version": "2", "id": session.to_string(), "type": "open", "seq": 1, "serverseq": 0,
        "position": "PT0S", "parameters": parameters,
    });
    let event =
        MessageEvent { connection: connection.clone(), body: open.to_string(), is_base64: false };
    door.message(event).await;
    until("the call is opened", || async { (!line.said(&connection).is_empty()).then_some(()) })
        .await;
    let answer = becomes(&site, conversation, "door-cannot-hear").await;
    assert_eq!(answer["sessions"][0]["door"], "api-gateway");
    assert!(answer["next_step"].as_str().expect("a text").contains("AudioUri"));
    let far = clock.now() + Duration::from_secs(60);
    assert!(!store.due_connections(far, 9).await.expect("a store").is_empty());
}
