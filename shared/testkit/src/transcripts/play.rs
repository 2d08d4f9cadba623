//! Plays a transcript at a door.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use sidetone_delivery_wire::CallRecord;
use sidetone_model::ConversationId;

use super::script::{Step, Transcript, Words};
use super::{Door, Line, Visitor, normal, table};
use crate::fresh::{fresh_conversation, fresh_session};

/// Plays every transcript that the way to a door allows, one after the other.
///
/// Panics where the door does not hold to one.
pub async fn play_all<D: Door>(door: &D) {
    for transcript in table::all() {
        if door.offers(transcript.needs) {
            play(door, &transcript).await;
        }
    }
}

/// Plays one transcript.
///
/// Panics where the door does not hold to it.
pub async fn play<D: Door>(door: &D, transcript: &Transcript) {
    let name = transcript.name;
    let visitor = Visitor { organization: door.organization(), session: fresh_session() };
    let mut client = Client {
        name,
        visitor,
        conversation: fresh_conversation(),
        other: fresh_session().to_string(),
        id: visitor.session.to_string(),
        seq: 0,
        serverseq: 0,
        position: "PT0S".to_owned(),
    };
    let mut line = door.connect(visitor).await;
    for step in &transcript.steps {
        match step {
            Step::Say(words) => line.say(client.say(words)).await,
            Step::SayText(text) => line.say(text.clone()).await,
            Step::Hear(words) => {
                let heard = line.hear().await;
                let kind = &words.kind;
                let text = heard.unwrap_or_else(|| panic!("{name}: hears nothing, not {kind}"));
                client.hear(words, &text);
            }
        }
    }
    line.leave().await;
    let records = door.records(visitor).await;
    client.check_keys(&records);
    let told: Vec<_> = records.iter().map(normal::record).collect();
    assert_eq!(told, transcript.records, "{name}: the stream");
}

/// The client of a transcript.
struct Client {
    name: &'static str,
    visitor: Visitor,
    conversation: ConversationId,
    other: String,
    /// The session as it was said last.
    id: String,
    seq: u64,
    serverseq: u64,
    position: String,
}

impl Client {
    /// Writes what the client says.
    fn say(&mut self, words: &Words) -> String {
        self.seq += 1;
        if let Some(seq) = words.marks.get("seq") {
            self.seq = seq.parse().expect("a number");
        }
        if let Some(position) = words.marks.get("position") {
            position.clone_into(&mut self.position);
        }
        let id = match words.marks.get("id").map(String::as_str) {
            None => self.id.clone(),
            Some("upper") => {
                self.id.make_ascii_uppercase();
                self.id.clone()
            }
            Some("other") => self.other.clone(),
            Some(id) => panic!("{}: unknown id {id}", self.name),
        };
        let serverseq = words.marks.get("serverseq").map(|text| text.parse().expect("a number"));
        let mut parameters = match &*words.kind {
            "open" => self.usual_open(),
            _ => Map::new(),
        };
        parameters.extend(self.parameters(words));
        if let Some(name) = words.marks.get("without") {
            assert!(parameters.remove(name).is_some(), "{}: no {name} to leave out", self.name);
        }
        let text = json!({
            "version": "2",
            "id": id,
            "type": words.kind,
            "seq": self.seq,
            "serverseq": serverseq.unwrap_or(self.serverseq),
            "position": self.position,
            "parameters": parameters,
        })
        .to_string();
        let bytes: usize =
            words.marks.get("bytes").map_or(0, |text| text.parse().expect("a number"));
        let padding = bytes.saturating_sub(text.len());
        text + &" ".repeat(padding)
    }

    /// Compares what the client hears.
    fn hear(&mut self, words: &Words, text: &str) {
        let name = self.name;
        let message: Map<String, Value> = serde_json::from_str(text)
            .unwrap_or_else(|error| panic!("{name}: hears no JSON object ({error}): {text}"));
        assert_eq!(message["type"], words.kind, "{name}: {text}");
        let fields: BTreeSet<_> = message.keys().map(String::as_str).collect();
        let expected = BTreeSet::from(["version", "id", "type", "seq", "clientseq", "parameters"]);
        assert_eq!(fields, expected, "{name}: {text}");
        assert_eq!(message["version"], "2", "{name}: {text}");
        assert_eq!(message["id"], self.id, "{name}: {text}");
        assert_eq!(message["seq"], self.serverseq + 1, "{name}: {text}");
        self.serverseq += 1;
        let clientseq = words.marks.get("clientseq").map(|text| text.parse().expect("a number"));
        assert_eq!(message["clientseq"], clientseq.unwrap_or(self.seq), "{name}: {text}");
        let parameters = message["parameters"].as_object().cloned();
        let parameters = parameters.unwrap_or_else(|| panic!("{name}: no parameters: {text}"));
        let parameters = normal::parameters(&words.kind, parameters);
        let expected = self.parameters(words);
        assert!(
            normal::is_as_expected(&parameters, &expected),
            "{name}: {parameters:?} are not {expected:?}"
        );
    }

    fn parameters(&self, words: &Words) -> Map<String, Value> {
        let text = words.parameters.as_deref().unwrap_or("{}");
        let text = text
            .replace("$organization", &self.visitor.organization.to_string())
            .replace("$conversation", &self.conversation.to_string())
            .replace("$other", &self.other);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    fn usual_open(&self) -> Map<String, Value> {
        let media = |channels: &[&str]| json!({ "type": "audio", "format": "PCMU", "channels": channels, "rate": 8_000 });
        let participant = json!({
            "id": "beefcafe-4321-4cba-9fed-ba9876543210",
            "ani": "+13175550101", "aniName": "R. Example", "dnis": "+18005550199",
        });
        let open = [
            ("organizationId", json!(self.visitor.organization)),
            ("conversationId", json!(self.conversation)),
            ("participant", participant),
            ("media", json!([media(&["external", "internal"]), media(&["external"])])),
            ("language", json!("en-US")),
        ];
        open.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Checks what makes a record unique: all of one session and connection, numbered without
    /// holes.
    fn check_keys(&self, records: &[CallRecord]) {
        let name = self.name;
        for (place, record) in records.iter().enumerate() {
            assert_eq!(record.number, place as u64 + 1, "{name}: numbers");
            assert_eq!(record.organization_id, self.visitor.organization.to_string(), "{name}");
            assert_eq!(record.conversation_id, self.conversation.to_string(), "{name}");
            assert_eq!(record.session_id, self.visitor.session.to_string(), "{name}");
            assert!(!record.connection_id.is_empty(), "{name}: the connection has a name");
            assert_eq!(record.connection_id, records[0].connection_id, "{name}: one connection");
            assert!(record.made_at_us > 0, "{name}: made at some time");
        }
    }
}
