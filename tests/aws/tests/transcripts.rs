//! The conversations that every door must hold alike, at the deployed doors: what one of them
//! says and tells the stream, the other does.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use sidetone_delivery_wire::{Body, CallRecord, decode};
use sidetone_model::OrganizationId;
use sidetone_ports::RecordSource;
use sidetone_ports_aws::{Begin, KinesisSource};
use sidetone_testkit::transcripts::{self, Door, Line, Needs, Visitor, play};
use tokio::sync::Mutex;

use crate::client::{Client, Heard, Knock};
use crate::world::{PATIENCE, World, deployed, until};

/// Transcripts at a time: few, as the functions' environments start on one small machine.
const AT_ONCE: usize = 3;

/// Records read at a time.
const READ_MAX: usize = 1_000;

/// How long a door may take to tell the stream of a connection that never became a session, of
/// which there is nothing to tell.
const NOTHING_AFTER: Duration = Duration::from_secs(15);

/// What the stream has told since the test began.
struct Told {
    source: KinesisSource,
    after: u64,
    /// Each record once.
    seen: HashSet<(String, String, u64)>,
    records: Vec<CallRecord>,
}

impl Told {
    async fn read_on(&mut self) {
        let some = self.source.read(self.after, READ_MAX, Duration::ZERO).await;
        for delivered in some.expect("readable") {
            self.after = delivered.sequence;
            for record in decode(delivered.record.data).expect("written by this schema") {
                let key = (record.session_id.clone(), record.connection_id.clone(), record.number);
                // The other tests' audio is none of ours.
                if !matches!(record.body, Some(Body::Audio(_))) && self.seen.insert(key) {
                    self.records.push(record);
                }
            }
        }
    }
}

struct DeployedDoor {
    world: &'static World,
    url: String,
    is_socket: bool,
    told: Mutex<Told>,
}

impl DeployedDoor {
    async fn new(world: &'static World, url: &str, is_socket: bool) -> Self {
        let stream = world.stack().output("StreamName").expect("an output");
        let source = world.aws.source(stream, Begin::Tip);
        let after = source.tip().await.expect("readable");
        let told = Told { source, after, seen: HashSet::new(), records: Vec::new() };
        Self { world, url: url.to_owned(), is_socket, told: Mutex::new(told) }
    }

    async fn records_now(&self, session: &str) -> Vec<CallRecord> {
        let mut told = self.told.lock().await;
        told.read_on().await;
        let own = |record: &&CallRecord| record.session_id == session;
        let mut records: Vec<_> = told.records.iter().filter(own).cloned().collect();
        records.sort_by_key(|record| record.number);
        records
    }

    /// Plays all that the way to this door allows.
    async fn play_all(&self) {
        let all = transcripts::all();
        let allowed = all.iter().filter(|transcript| self.offers(transcript.needs));
        let playing = stream::iter(allowed).map(|transcript| play(self, transcript));
        playing.buffer_unordered(AT_ONCE).collect::<()>().await;
    }
}

impl Door for DeployedDoor {
    type Line = Client;

    fn organization(&self) -> OrganizationId {
        self.world.at.genesys.organization
    }

    fn offers(&self, needs: Needs) -> bool {
        match needs {
            Needs::Nothing | Needs::Deadlines => true,
            // API Gateway takes no frame of more than 32 KB, and promises no order.
            Needs::Order | Needs::LargeMessages => self.is_socket,
        }
    }

    async fn connect(&self, visitor: Visitor) -> Client {
        let knock = Knock { session: visitor.session, ..Knock::at(self.world, &self.url) };
        knock.connect().await.expect("let in")
    }

    async fn records(&self, visitor: Visitor) -> Vec<CallRecord> {
        let session = visitor.session.to_string();
        let begun = std::time::Instant::now();
        until("the stream has the session's end", async || {
            let records = self.records_now(&session).await;
            let ended = |record: &CallRecord| matches!(record.body, Some(Body::SessionEnded(_)));
            let nothing = records.is_empty() && begun.elapsed() > NOTHING_AFTER;
            (nothing || records.last().is_some_and(ended)).then_some(records)
        })
        .await
    }
}

impl Line for Client {
    async fn say(&mut self, text: String) {
        self.send_text(text).await;
    }

    async fn hear(&mut self) -> Option<String> {
        match self.next_within(PATIENCE).await {
            Heard::Said(said) => Some(said.to_string()),
            Heard::Closed(_) => None,
        }
    }

    async fn leave(self) {
        self.hang_up().await;
    }
}

#[test]
fn transcripts_are_held_by_the_deployed_alb_door() {
    deployed(async |world| {
        let url = world.stack().always_door.as_deref().expect("it runs");
        DeployedDoor::new(world, url, true).await.play_all().await;
    });
}

#[test]
fn transcripts_are_held_by_the_deployed_api_gateway_door() {
    deployed(async |world| {
        let url = world.stack().api_door.clone();
        DeployedDoor::new(world, &url, false).await.play_all().await;
    });
}
