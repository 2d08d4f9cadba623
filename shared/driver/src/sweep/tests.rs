//! Sweeps that take a door for dead which lives, at every moment of a session.

use std::collections::BTreeMap;
use std::time::Duration;

use sidetone_audiohook_proto::Handshake;
use sidetone_delivery_wire::{CallRecord, decode};
use sidetone_model::{ConversationKey, Listen, SessionId, SessionPhase};
use sidetone_ports::RecordSource;
use sidetone_ports_embedded::{Store, Stream};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::producer::ProducerConfig;
use crate::{EngineConfig, Host, HostConfig, Input, Session, SocketOutput};

const ORGANIZATION: &str = "0f0e0d0c-0b0a-4908-8706-050403020100";
const CONVERSATION: &str = "c0ffee12-3456-4789-8abc-def012345678";
const SESSION: &str = "5a1b7c30-9f42-4d0e-8b6a-2c3d4e5f6071";

/// Longer than the door needs to give the next sign of life.
const A_WHILE: Duration = Duration::from_secs(6);

fn key() -> ConversationKey {
    ConversationKey {
        organization: ORGANIZATION.parse().unwrap(),
        conversation: CONVERSATION.parse().unwrap(),
    }
}

fn message(kind: &str, seq: u64, position: &str, parameters: &str) -> String {
    format!(
        r#"{{"version":"2","id":"{SESSION}","type":"{kind}","seq":{seq},"serverseq":0,
        "position":"{position}","parameters":{parameters}}}"#
    )
}

fn open() -> String {
    let parameters = format!(
        r#"{{"organizationId":"{ORGANIZATION}","conversationId":"{CONVERSATION}",
        "participant":{{"id":"beefcafe-4321-4cba-9fed-ba9876543210","ani":"","aniName":"",
        "dnis":""}},"media":[{{"type":"audio","format":"PCMU",
        "channels":["external","internal"],"rate":8000}}]}}"#
    );
    message("open", 1, "PT0S", &parameters)
}

/// A door with one session, and a sweeper that takes it for dead when told to.
struct Stage {
    clock: Clock,
    store: Store,
    stream: Stream,
    host: Host<Store, Stream>,
    session: Option<Session<Store, Stream>>,
    sweeper: Producer<Stream>,
    stop: CancellationToken,
}

/// What a sweeper does at one moment of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    Nothing,
    /// It sweeps, and the session goes on at once.
    Sweeps,
    /// It sweeps, and the door notices before the session goes on.
    SweepsAndIsNoticed,
}

const MOMENTS: [Moment; 3] = [Moment::Nothing, Moment::Sweeps, Moment::SweepsAndIsNoticed];

impl Stage {
    async fn open() -> Self {
        let clock = Clock::system();
        let (store, stream) = (Store::in_memory().unwrap(), Stream::in_memory(clock).unwrap());
        let engine = EngineConfig { listen: Listen::Always, ..EngineConfig::default() };
        let config = HostConfig { engine, ..HostConfig::default() };
        let owner = OwnerId::new("door");
        let host = Host::new(clock, config, owner, store.clone(), stream.clone());
        let handshake = Handshake {
            organization: ORGANIZATION.parse().unwrap(),
            session_id: SESSION.parse::<SessionId>().unwrap().into(),
        };
        let session = host.session(handshake, ConnectionId::new("c"), None);
        let sweeper = Producer::new(clock, ProducerConfig::default(), stream.clone());
        let stop = CancellationToken::new();
        let (working, putting, stopped) = (host.clone(), sweeper.clone(), stop.clone());
        tokio::spawn(async move { working.run(stopped).await });
        tokio::spawn(async move { putting.run().await });
        let mut stage = Self { clock, store, stream, host, session: Some(session), sweeper, stop };
        stage.say(&open());
        stage.pass(Duration::from_secs(1)).await;
        assert!(matches!(stage.poll(), Some(SocketOutput::Text(_))), "opened");
        stage
    }

    fn session(&mut self) -> &mut Session<Store, Stream> {
        self.session.as_mut().expect("it is not finished")
    }

    fn say(&mut self, text: &str) {
        self.session().handle(Input::Text(text));
    }

    fn poll(&mut self) -> Option<SocketOutput> {
        self.session().poll_socket()
    }

    /// Lets the session take in what is behind it for a while, as its socket task does.
    async fn pass(&mut self, span: Duration) {
        let until = self.clock.steady() + span;
        let clock = self.clock;
        loop {
            tokio::select! {
                () = self.session().changed() => {}
                () = clock.sleep_until(until) => break,
            }
        }
        self.session().handle(Input::Timeout);
    }

    async fn passes(&mut self, moment: Moment) {
        if moment == Moment::Nothing {
            return;
        }
        let own = OwnerId::new("sweeper");
        let swept = sweep(&self.store, &self.clock, &self.sweeper, &own, None).await.unwrap();
        assert!(swept <= 1);
        if moment == Moment::SweepsAndIsNoticed {
            self.pass(A_WHILE).await;
            let item = self.item().await;
            assert_eq!((item.phase, item.end), (SessionPhase::Live, None), "it took it back");
            assert_eq!(self.store.owned_by(&item.owner, self.clock.now()).await.unwrap().len(), 1);
        }
    }

    async fn item(&self) -> SessionItem {
        let items = self.store.query(key(), self.clock.now()).await.unwrap();
        let [item] = items.as_slice() else { panic!("one item: {items:?}") };
        serde_json::from_slice(&item.bytes).unwrap()
    }

    /// Closes the session and returns what is stored and streamed of it, by connection.
    async fn close(mut self, sweeps: Moment) -> (SessionItem, BTreeMap<String, Vec<Body>>) {
        self.say(&message("close", 2, "PT0.4S", r#"{"reason":"end"}"#));
        let session = self.session.take().expect("it is not finished");
        let finishing = tokio::spawn(session.finish());
        if sweeps != Moment::Nothing {
            let own = OwnerId::new("sweeper");
            sweep(&self.store, &self.clock, &self.sweeper, &own, None).await.unwrap();
        }
        finishing.await.unwrap();
        self.clock.sleep(A_WHILE).await;
        assert_eq!(self.host.session_count(), 0);
        let delivered = self.stream.read(0, 1_000, Duration::ZERO).await.unwrap();
        let records = delivered.into_iter().flat_map(|one| decode(one.record.data).unwrap());
        let mut bodies: BTreeMap<String, Vec<Body>> = BTreeMap::new();
        for CallRecord { connection_id, body, .. } in records {
            bodies.entry(connection_id).or_default().extend(body);
        }
        self.stop.cancel();
        (self.item().await, bodies)
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_swept_while_it_lives_ends_once_and_loses_no_frame() {
    let every = MOMENTS.into_iter().flat_map(|first| {
        let second = move |second| MOMENTS.map(|third| [first, second, third]);
        MOMENTS.into_iter().flat_map(second)
    });
    for [opened, speaking, closing] in every {
        let case = format!("{opened:?}, {speaking:?}, {closing:?}");
        let mut stage = Stage::open().await;
        stage.passes(opened).await;
        stage.session().handle(Input::Media(vec![1; 3_200].into()));
        stage.passes(speaking).await;
        stage.session().handle(Input::Media(vec![2; 3_200].into()));
        let (item, bodies) = stage.close(closing).await;
        let end = item.end.map(|end| end.cause);
        assert_eq!(item.phase, SessionPhase::Ended, "{case}");
        assert_eq!(end, Some(sidetone_model::EndCause::Closed), "{case}");
        let own = &bodies["c"];
        let frames = own.iter().filter(|body| matches!(body, Body::Audio(_))).count();
        assert_eq!(frames, 2, "{case}: {own:?}");
        let ends = own.iter().filter_map(|body| {
            if let Body::SessionEnded(ended) = body { Some(ended.cause()) } else { None }
        });
        assert_eq!(ends.collect::<Vec<_>>(), [EndCause::Closed], "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_owner_whose_beat_moves_is_never_swept_and_a_dead_one_is_within_its_life_and_a_look() {
    let stage = Stage::open().await;
    let dead = OwnerBeat { owner: OwnerId::new("dead"), beat: 7, life: Duration::from_secs(15) };
    stage.store.beat(&dead).await.unwrap();
    let interval = Duration::from_secs(5);
    for secs in [-40, 0, 40] {
        let step = Duration::from_secs(u64::try_from(secs + 40).unwrap());
        // The sweeper's clock is apart from the door's.
        let clock = Clock::starting_at(stage.clock.now() - Duration::from_secs(40) + step, 1.0);
        let own = OwnerId::new("sweeper");
        let mut observed = Observed::every(interval, &clock);
        stage.store.beat(&dead).await.unwrap();
        for look in 0..6 {
            let observed = Some(&mut observed);
            let swept = sweep(&stage.store, &clock, &stage.sweeper, &own, observed).await.unwrap();
            assert_eq!(swept, 0, "{secs} s apart: the door lives");
            let owners = stage.store.owners().await.unwrap();
            let is_listed = owners.iter().any(|beat| beat.owner == dead.owner);
            assert_eq!(is_listed, look < 3, "{secs} s apart, look {look}: {owners:?}");
            clock.sleep(interval).await;
        }
    }
    assert_eq!(stage.item().await.phase, SessionPhase::Live);
    stage.stop.cancel();
}
