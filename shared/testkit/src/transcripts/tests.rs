//! A door that is careless in one thing at a time.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use serde_json::{Value, json};
use sidetone_delivery_wire::{Body, CallRecord, SessionStarted};
use sidetone_model::OrganizationId;

use super::script::Transcript;
use super::{Door, Line, Needs, Visitor, play};
use crate::fresh::fresh_organization;

/// Answers `ping` by `pong`, and keeps a record of each `open`; then spoils its answer.
struct Careless {
    organization: OrganizationId,
    spoil: fn(&mut Value),
    records: Rc<RefCell<Vec<CallRecord>>>,
}

struct CarelessLine {
    visitor: Visitor,
    spoil: fn(&mut Value),
    said: VecDeque<String>,
    seq: u64,
    records: Rc<RefCell<Vec<CallRecord>>>,
}

impl Door for Careless {
    type Line = CarelessLine;

    fn organization(&self) -> OrganizationId {
        self.organization
    }

    fn offers(&self, needs: Needs) -> bool {
        needs == Needs::Nothing
    }

    async fn connect(&self, visitor: Visitor) -> CarelessLine {
        let (spoil, records) = (self.spoil, Rc::clone(&self.records));
        CarelessLine { visitor, spoil, said: VecDeque::new(), seq: 0, records }
    }

    async fn records(&self, _visitor: Visitor) -> Vec<CallRecord> {
        self.records.borrow().clone()
    }
}

impl Line for CarelessLine {
    async fn say(&mut self, text: String) {
        let message: Value = serde_json::from_str(&text).unwrap();
        let started = SessionStarted { participant_id: "p".to_owned(), ..Default::default() };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        if message["type"] == "open" {
            let number = self.records.borrow().len() as u64 + 1;
            self.records.borrow_mut().push(CallRecord {
                organization_id: self.visitor.organization.to_string(),
                conversation_id: text(&message["parameters"]["conversationId"]),
                session_id: self.visitor.session.to_string(),
                connection_id: "c".to_owned(),
                number,
                made_at_us: 1,
                body: Some(Body::SessionStarted(started)),
            });
            return;
        }
        self.seq += 1;
        let mut pong = json!({
            "version": "2", "id": message["id"], "type": "pong", "seq": self.seq,
            "clientseq": message["seq"], "parameters": {},
        });
        (self.spoil)(&mut pong);
        self.said.push_back(pong.to_string());
    }

    async fn hear(&mut self) -> Option<String> {
        self.said.pop_front()
    }

    async fn leave(self) {}
}

async fn play_at(spoil: fn(&mut Value), text: &str) {
    let door = Careless { organization: fresh_organization(), spoil, records: Rc::default() };
    play(&door, &Transcript::read("a test", Needs::Nothing, text)).await;
}

const CALL: &str = "
    > open
    > ping @id=upper
    < pong
    > ping
    | {\"rtt\":\"PT1S\"}
    < pong
    = started participant=p language=none
";

#[tokio::test]
async fn a_careful_door_passes() {
    play_at(|_| (), CALL).await;
}

#[tokio::test]
#[should_panic(expected = "hears nothing, not pong")]
async fn a_door_that_says_too_little_is_noticed() {
    play_at(|_| (), &format!("{CALL}\n< pong")).await;
}

#[tokio::test]
#[should_panic(expected = "a test: {\"clientseq\":2")]
async fn a_number_used_twice_is_noticed() {
    play_at(|pong| pong["seq"] = json!(7), CALL).await;
}

#[tokio::test]
#[should_panic(expected = "are not")]
async fn parameters_that_nobody_expects_are_noticed() {
    play_at(|pong| pong["parameters"] = json!({ "a": 1 }), CALL).await;
}

#[tokio::test]
#[should_panic(expected = "a test: the stream")]
async fn a_record_too_many_is_noticed() {
    play_at(|_| (), &CALL.replace("> ping\n", "> open\n> ping\n")).await;
}

#[test]
fn every_transcript_can_be_read_and_has_a_name_of_its_own() {
    let transcripts = super::all();
    let names: std::collections::BTreeSet<_> = transcripts.iter().map(|one| one.name).collect();
    assert!(transcripts.len() > 30);
    assert_eq!(names.len(), transcripts.len());
}
