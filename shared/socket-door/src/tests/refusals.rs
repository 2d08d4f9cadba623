//! Who is not let in, and what they learn from it: nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sidetone_ports::{SecretSource, StoreError, StoredKey};
use sidetone_ports_embedded::{MemoryKeys, Store, Stream};
use tokio::time::Instant;
use uuid::Uuid;

use super::client::{Answer, Client, Upgrade};
use super::stage::{KEY, OPEN_KEY, ORGANIZATION, SECRET, Setup, Stage};
use crate::Replays;

const OTHER_SECRET: &str = "b3RoZXItc2VjcmV0LW9mLXRoaXJ0eS10d28tYnl0ZXM=";
const OTHER_ORGANIZATION: &str = "d7934305-0972-4844-938e-9060eef73d05";

fn upgrade<R>(stage: &Stage<R>) -> Upgrade {
    Upgrade::signed(stage.address, stage.clock.now())
}

fn unsigned<R>(stage: &Stage<R>, key: &str) -> Upgrade {
    Upgrade::unsigned("/audiohook/ws", &stage.address.to_string(), key)
}

#[tokio::test(start_paused = true)]
async fn c5_a_missing_key_is_401() {
    let stage = Setup::at_speed(20.0).start();
    assert_eq!(upgrade(&stage).without("X-API-KEY").send(stage.address).await.status, 401);
}

#[tokio::test(start_paused = true)]
async fn c6_c26_every_refusal_looks_and_lasts_the_same() {
    let stage = Setup::new().start();
    let authority = stage.address.to_string();
    let signed =
        |secret| Upgrade::signed_for("/audiohook/ws", &authority, stage.clock.now(), secret);
    let old = stage.clock.now() - Duration::from_secs(60);
    let cases = [
        signed(OTHER_SECRET),
        unsigned(&stage, "no-such-key"),
        unsigned(&stage, KEY),
        upgrade(&stage).with("X-API-KEY", OPEN_KEY),
        upgrade(&stage).without("X-API-KEY"),
        upgrade(&stage).without("Signature"),
        upgrade(&stage).with("Signature", "sig1=:AAAA:"),
        upgrade(&stage).with("Audiohook-Organization-Id", OTHER_ORGANIZATION),
        upgrade(&stage).with("Audiohook-Session-Id", "nonsense"),
        upgrade(&stage).adding("X-API-KEY", KEY),
        upgrade(&stage).with("Host", "other.example.net"),
        Upgrade::signed(stage.address, old),
    ];
    let answers = cases.iter().map(async |upgrade| {
        let started = Instant::now();
        let answer = upgrade.send(stage.address).await;
        (answer, started.elapsed())
    });
    let answers = futures_util::future::join_all(answers).await;
    let without_date = |answer: &Answer| {
        let lines = answer.head.lines().filter(|line| !line.starts_with("date:"));
        (lines.collect::<Vec<_>>().join("\n"), answer.body.clone())
    };
    let first = without_date(&answers[0].0);
    for (place, (answer, took)) in answers.iter().enumerate() {
        assert_eq!(answer.status, 401, "case {place}");
        assert_eq!(without_date(answer), first, "case {place}");
        assert!((500..=501).contains(&took.as_millis()), "case {place} took {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn c9_half_a_signature_is_refused() {
    let stage = Setup::at_speed(20.0).start();
    for name in ["Signature", "Signature-Input"] {
        assert_eq!(upgrade(&stage).without(name).send(stage.address).await.status, 401);
    }
}

#[tokio::test(start_paused = true)]
async fn c10_an_unsigned_request_needs_a_key_without_secret() {
    let stage = Setup::at_speed(20.0).start();
    assert_eq!(unsigned(&stage, KEY).send(stage.address).await.status, 401);
}

#[tokio::test(start_paused = true)]
async fn c11_a_key_without_secret_lets_in_unsigned() {
    let stage = Setup::new().start();
    let mut client = unsigned(&stage, OPEN_KEY).connect(stage.address).await;
    client.say_open(&Uuid::new_v4().to_string()).await;
    assert_eq!(client.hear().await["type"], "opened");
    client.close().await;
}

#[tokio::test(start_paused = true)]
async fn where_the_key_alone_lets_in_a_malformed_id_is_400() {
    let stage = Setup::at_speed(20.0).start();
    for (name, value) in [
        ("Audiohook-Session-Id", "nonsense"),
        ("Audiohook-Session-Id", ""),
        ("Audiohook-Organization-Id", "{0f0e0d0c-0b0a-4908-8706-050403020100}"),
    ] {
        let open = unsigned(&stage, OPEN_KEY).with(name, value);
        assert_eq!(open.send(stage.address).await.status, 400, "{name}: {value}");
        let signing = unsigned(&stage, KEY).with(name, value);
        assert_eq!(signing.send(stage.address).await.status, 401, "{name}: {value}");
    }
    let open = unsigned(&stage, OPEN_KEY).without("Audiohook-Session-Id");
    assert_eq!(open.send(stage.address).await.status, 400);
}

#[tokio::test(start_paused = true)]
async fn c24_a_replayed_request_is_refused() {
    let stage = Setup::at_speed(10.0).start();
    let upgrade = upgrade(&stage);
    let client = upgrade.connect(stage.address).await;
    assert_eq!(upgrade.send(stage.address).await.status, 401);
    drop(client);
    assert_eq!(upgrade.send(stage.address).await.status, 401, "also once it has left");
}

#[tokio::test(start_paused = true)]
async fn c24_a_replay_at_another_door_gets_unauthorized_and_reaches_nothing() {
    let store = Store::in_memory().unwrap();
    let (first, second) = (Setup::new(), Setup::new());
    let streams = [&first, &second].map(|setup| Stream::in_memory(setup.clock).unwrap());
    let [stream_1, stream_2] = streams;
    let (keys_1, keys_2) = (first.keys.clone(), second.keys.clone());
    let mut first = first;
    first.door.public_authority = Some("calls.example.net".to_owned());
    let mut second = second;
    second.door.public_authority = Some("calls.example.net".to_owned());
    let first = first.start_with(store.clone(), stream_1, keys_1);
    let second = second.start_with(store, stream_2, keys_2);
    let upgrade =
        Upgrade::signed_for("/audiohook/ws", "calls.example.net", first.clock.now(), SECRET);
    let mut caller = upgrade.connect(first.address).await;
    caller.say_open(&Uuid::new_v4().to_string()).await;
    assert_eq!(caller.hear().await["type"], "opened");
    let mut replayer = upgrade.connect(second.address).await;
    replayer.say_open(&Uuid::new_v4().to_string()).await;
    let told = replayer.leave_when_told_after_opened().await;
    assert_eq!(told["parameters"]["reason"], "unauthorized", "{told}");
    caller.close().await;
    second.emptied().await;
    assert!(second.records().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn replays_pass_where_they_are_allowed() {
    let mut setup = Setup::new();
    setup.door.replays = Replays::Allowed;
    let stage = setup.start();
    let upgrade = upgrade(&stage);
    let _first = upgrade.connect(stage.address).await;
    let _second = upgrade.connect(stage.address).await;
}

#[tokio::test(start_paused = true)]
async fn c25_open_for_another_organization_is_unauthorized() {
    let stage = Setup::new().start();
    let mut client = Client::connect(&stage).await;
    let text = client.open_message(&Uuid::new_v4().to_string(), OTHER_ORGANIZATION);
    client.send_text(text).await;
    let told = client.leave_when_told().await;
    assert_eq!(told["parameters"]["reason"], "unauthorized", "{told}");
    stage.emptied().await;
    assert!(stage.records().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn c98_a_proxy_that_rewrites_host_and_path_breaks_nothing() {
    let mut setup = Setup::at_speed(20.0);
    setup.door.public_authority = Some("Calls.Example.net:443".to_owned());
    setup.door.public_path_prefix = Some("/tunnel/7/".to_owned());
    let stage = setup.start();
    let public = |authority| {
        let target = "/tunnel/7/audiohook/ws?tenant=acme&lane=7";
        let mut upgrade = Upgrade::signed_for(target, authority, stage.clock.now(), SECRET);
        upgrade.target = "/audiohook/ws?tenant=acme&lane=7".to_owned();
        upgrade
            .with("Host", "10.0.3.17:8080")
            .with("X-Forwarded-For", "203.0.113.9")
            .with("X-Forwarded-Proto", "https")
            .with("X-Forwarded-Host", "evil.example.com")
            .with("X-Forwarded-Port", "443")
            .with("X-Amzn-Trace-Id", "Root=1-67891233-abcdef012345678912345678")
    };
    public("calls.example.net").connect(stage.address).await;
    assert_eq!(public("evil.example.com").send(stage.address).await.status, 401);
    assert_eq!(public("10.0.3.17:8080").send(stage.address).await.status, 401);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_refusal_holds_up_nobody_and_few_may_wait() {
    let mut setup = Setup::new();
    setup.door.limits.refusals_max = 2;
    let stage = setup.start();
    let wrong: Vec<_> = (0..6).map(|_| unsigned(&stage, "no-such-key")).collect();
    let refused = futures_util::future::join_all(wrong.iter().map(|one| one.send(stage.address)));
    let calling = async {
        let started = Instant::now();
        Client::open(&stage).await;
        started.elapsed()
    };
    let (refused, took) = tokio::join!(refused, calling);
    assert!(took < Duration::from_millis(400), "{took:?}");
    let count = |status| refused.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(401), count(0)), (2, 4));
}

/// Keys behind a source that hangs, fails or takes its time.
#[derive(Clone)]
struct SlowKeys {
    keys: MemoryKeys,
    delay: Duration,
    fails: Arc<AtomicBool>,
}

impl SecretSource for SlowKeys {
    async fn key(&self, key_id: &str) -> Result<Option<StoredKey>, StoreError> {
        tokio::time::sleep(self.delay).await;
        if self.fails.load(Ordering::Relaxed) {
            return Err(StoreError::unavailable("read a key", "down"));
        }
        self.keys.key(key_id).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_signature_is_judged_by_when_it_came_not_by_when_we_came_to_it() {
    // 20 s of the clock: older than any signature may be.
    let mut setup = Setup::at_speed(40.0);
    setup.door.pace.key_within = Duration::from_secs(60);
    setup.door.pace.upgrade_within = Duration::from_secs(60);
    let keys = SlowKeys {
        keys: setup.keys.clone(),
        delay: Duration::from_millis(500),
        fails: Arc::default(),
    };
    let stream = Stream::in_memory(setup.clock).unwrap();
    let stage = setup.start_with(Store::in_memory().unwrap(), stream, keys);
    upgrade(&stage).connect(stage.address).await;
}

#[tokio::test(start_paused = true)]
async fn while_keys_cannot_be_looked_up_clients_are_told_to_try_again() {
    let setup = Setup::new();
    let fails = Arc::new(AtomicBool::new(true));
    let keys =
        SlowKeys { keys: setup.keys.clone(), delay: Duration::ZERO, fails: Arc::clone(&fails) };
    let stream = Stream::in_memory(setup.clock).unwrap();
    let stage = setup.start_with(Store::in_memory().unwrap(), stream, keys);
    let told = Client::connect(&stage).await.leave_when_told().await;
    assert_eq!(told["parameters"]["reason"], "error", "{told}");
    fails.store(false, Ordering::Relaxed);
    Client::open(&stage).await.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_changed_secret_works_at_once_and_a_removed_key_soon_not() {
    let mut setup = Setup::at_speed(20.0);
    setup.door.pace.key_life = Duration::from_secs(10);
    let keys = setup.keys.clone();
    let stage = setup.start();
    upgrade(&stage).connect(stage.address).await;
    keys.insert(StoredKey {
        key_id: KEY.to_owned(),
        secrets: vec![OTHER_SECRET.to_owned(), SECRET.to_owned()],
        organizations: vec![ORGANIZATION.parse().unwrap()],
        api_key_only: false,
    });
    stage.clock.sleep(Duration::from_secs(2)).await;
    let authority = stage.address.to_string();
    let changed = Upgrade::signed_for("/audiohook/ws", &authority, stage.clock.now(), OTHER_SECRET);
    changed.connect(stage.address).await;
    upgrade(&stage).connect(stage.address).await;
    keys.remove(KEY);
    stage.clock.sleep(Duration::from_secs(11)).await;
    assert_eq!(upgrade(&stage).send(stage.address).await.status, 401);
}
