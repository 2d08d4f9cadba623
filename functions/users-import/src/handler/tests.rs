//! A bucket in memory and the embedded store: what files do, and what they leave beside them.

use std::collections::BTreeMap;
use std::sync::Mutex;

use bytes::Bytes;
use serde_json::{Value, json};
use sidetone_model::{AgentId, Listen, OnHold, Organization, PlatformPlace};
use sidetone_ports::{HistoryQuery, StoreError};
use sidetone_ports_embedded::Store;
use sidetone_user_file::read;
use sidetone_users::Removals;

use super::*;

const OURS: &str = "0f0e0d0c-0b0a-4908-8706-050403020100";
const OTHER: &str = "1f0e0d0c-0b0a-4908-8706-050403020100";
const FILE: &str = "\
name,email,adaptor,team
Ada,ada@a.example,genesys-cloud,Billing
Bo,bo@a.example,avaya,Billing
";

/// Objects by key, with their tags.
#[derive(Default)]
struct Memory(Mutex<BTreeMap<String, (String, Bytes)>>);

impl Files for Memory {
    async fn file(&self, key: &str, tag: &str) -> Result<Option<Bytes>, StoreError> {
        let objects = self.0.lock().unwrap();
        Ok(objects.get(key).filter(|(own, _)| own == tag).map(|(_, bytes)| bytes.clone()))
    }

    async fn result(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        Ok(self.0.lock().unwrap().get(key).map(|(_, bytes)| bytes.clone()))
    }

    async fn put_result(&self, key: &str, json: Bytes) -> Result<(), StoreError> {
        self.0.lock().unwrap().insert(key.to_owned(), (String::new(), json));
        Ok(())
    }
}

struct Bench {
    handler: Handler<Store, Memory>,
    puts: u32,
}

impl Bench {
    fn new() -> Self {
        let store = Store::in_memory().unwrap();
        Self { handler: Handler::new("b".to_owned(), store, Memory::default()), puts: 0 }
    }

    /// Puts a file, and returns the event of it.
    fn put(&mut self, key: &str, file: impl Into<Bytes>) -> Value {
        self.puts += 1;
        let (file, tag) = (file.into(), format!("tag-{}", self.puts));
        let mut event: Value =
            serde_json::from_str(include_str!("../../events/object_created.json")).unwrap();
        event["detail"]["bucket"]["name"] = "b".into();
        event["detail"]["object"] = json!({
            "key": key, "size": file.len(), "etag": tag,
            "sequencer": format!("{:018X}", self.puts),
        });
        self.handler.files.0.lock().unwrap().insert(key.to_owned(), (tag, file));
        event
    }

    async fn tell(&self, event: &Value) -> Answer {
        let event = serde_json::from_value(event.clone()).unwrap();
        self.handler.handle(event, Clock::system()).await.unwrap()
    }

    async fn import(&mut self, key: &str, file: impl Into<Bytes>) -> Answer {
        let event = self.put(key, file);
        self.tell(&event).await
    }

    fn result(&self, key: &str) -> Value {
        let objects = self.handler.files.0.lock().unwrap();
        serde_json::from_slice(&objects[&format!("{key}.result.json")].1).unwrap()
    }

    async fn agents(&self, organization: &str) -> Vec<String> {
        let users = self.handler.store.users(organization.parse().unwrap()).await.unwrap();
        users.into_iter().map(|user| user.agent.to_string()).collect()
    }
}

fn key(rest: &str) -> String {
    format!("import/{OURS}/{rest}")
}

#[tokio::test]
async fn a_file_is_imported_and_its_result_says_what_changed() {
    let mut bench = Bench::new();
    let key = key("from HR/users & teams+1.csv");
    let counts = Counts { added: 2, ..Counts::default() };
    let answer = bench.import(&key, FILE).await;
    assert_eq!(answer, Answer::Imported { counts, change: Some(1) });
    let result = bench.result(&key);
    assert_eq!((&result["file"], &result["problem"]), (&json!(key), &Value::Null));
    let outcome = &result["outcome"];
    assert_eq!((&outcome["change"], &outcome["dry_run"]), (&json!(1), &json!(false)));
    assert_eq!(outcome["changes"][0]["after"]["team"], "Billing");
    let query = HistoryQuery { agent: Some(AgentId::new("ada")), before: None, limit: 1 };
    let history = bench.handler.store.user_history(OURS.parse().unwrap(), &query).await.unwrap();
    let origin = &history.entries[0].origin;
    assert_eq!((origin.by.as_str(), origin.way), (&*format!("s3://b/{key}"), ChangeWay::File));
}

#[tokio::test]
async fn who_is_not_in_the_file_stays_unless_it_is_the_whole_list() {
    let mut bench = Bench::new();
    bench.import(&key("a.csv"), FILE).await;
    let other = "name,email,adaptor\nCy,cy@a.example,cisco\n";
    bench.import(&key("b.csv"), other).await;
    assert_eq!(bench.result(&key("b.csv"))["outcome"]["absent"], json!(["ada", "bo"]));
    assert_eq!(bench.agents(OURS).await, ["ada", "bo", "cy"]);
    assert_eq!(bench.import(&key("replace/c.CSV"), other).await, Answer::Refused { status: 409 });
    let detail = bench.result(&key("replace/c.CSV"))["problem"]["detail"].clone();
    let detail = detail.as_str().unwrap();
    assert!(detail.contains("2 of 3 users") && detail.contains("replace/confirmed/"), "{detail}");
    assert_eq!(bench.agents(OURS).await, ["ada", "bo", "cy"]);
    let confirmed = key("replace/confirmed/c.CSV");
    bench.import(&confirmed, other).await;
    assert_eq!(bench.result(&confirmed)["outcome"]["counts"]["removed"], 2);
    assert_eq!(bench.agents(OURS).await, ["cy"]);
    assert_eq!(bench.agents(OTHER).await, <[&str; 0]>::default());
}

#[tokio::test]
async fn an_event_that_comes_again_changes_nothing_whatever_happened_since() {
    let mut bench = Bench::new();
    let key = key("a.csv");
    let event = bench.put(&key, FILE);
    bench.tell(&event).await;
    let result = bench.result(&key);
    let users = Users::new(bench.handler.store.clone());
    let origin =
        ChangeOrigin { at: Clock::system().now(), by: "grace".to_owned(), way: ChangeWay::Cli };
    let (organization, ada) = (OURS.parse().unwrap(), [AgentId::new("ada")]);
    users.remove(organization, &ada, Removals::Few, Intent::Commit(&origin)).await.unwrap();
    assert_eq!(bench.tell(&event).await, Answer::Known);
    assert_eq!(bench.agents(OURS).await, ["bo"], "what was done since stands");
    assert_eq!(bench.result(&key), result);
    let again = bench.import(&key, FILE).await;
    let counts = Counts { added: 1, unchanged: 1, ..Counts::default() };
    assert_eq!(again, Answer::Imported { counts, change: Some(3) }, "put again, it counts again");
    assert_eq!(bench.tell(&event).await, Answer::Known, "the earlier one is older than the result");
}

#[tokio::test]
async fn a_file_that_was_replaced_or_deleted_is_left_to_the_other_event() {
    let mut bench = Bench::new();
    let key = key("a.csv");
    let first = bench.put(&key, "name,email,adaptor\nCy,cy@a.example,cisco\n");
    let second = bench.put(&key, FILE);
    assert_eq!(bench.tell(&first).await, Answer::Gone);
    bench.tell(&second).await;
    assert_eq!(bench.agents(OURS).await, ["ada", "bo"]);
    let third = bench.put(&key, FILE);
    bench.handler.files.0.lock().unwrap().remove(&key);
    assert_eq!(bench.tell(&third).await, Answer::Gone);
}

#[tokio::test]
async fn bad_rows_are_named_by_row_and_column_and_nothing_is_imported() {
    let mut bench = Bench::new();
    let key = key("a.csv");
    let answer = bench.import(&key, format!("{FILE}Cy,,nortel,\n")).await;
    assert_eq!(answer, Answer::Refused { status: 422 });
    let problem = &bench.result(&key)["problem"];
    assert_eq!(
        problem["errors"][0],
        json!({"row": 4, "field": "email", "person": "Cy", "reason": "is empty"})
    );
    assert_eq!(problem["errors"][1]["field"], "adaptor");
    assert_eq!(bench.agents(OURS).await, <[&str; 0]>::default());
}

#[tokio::test]
async fn what_can_never_be_imported_gets_a_result_that_says_why() {
    let mut bench = Bench::new();
    let large = "x".repeat(5 * 1024 * 1024 + 1);
    let latin: &[u8] = b"name,email,adaptor\nJos\xe9,jose@a.example,avaya\n";
    let wide: Vec<u8> = FILE.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let cases: [(&str, Bytes, u16, &str); 6] = [
        ("a.csv", Bytes::new(), 422, "is empty"),
        ("a.csv", "name,email,adaptor\n".into(), 422, "no users"),
        ("a.csv", large.into(), 413, "5 MiB"),
        ("a.csv", Bytes::from_static(latin), 422, "Windows-1252"),
        ("a.csv", wide.into(), 422, "UTF-16"),
        ("a.csv", "name,email,adaptor,pay\n".into(), 422, "pay"),
    ];
    for (name, file, status, words) in cases {
        let key = key(name);
        assert_eq!(bench.import(&key, file).await, Answer::Refused { status }, "{words}");
        let result = bench.result(&key);
        let detail = result["problem"]["detail"].as_str().unwrap();
        assert!(detail.contains(words), "{detail}");
    }
    for key in ["import/users.csv", "import/sidetone/users.csv"] {
        assert_eq!(bench.import(key, FILE).await, Answer::Refused { status: 404 });
        let result = bench.result(key);
        let detail = result["problem"]["detail"].as_str().unwrap();
        assert!(detail.contains("import/<organization's id>/"), "{detail}");
    }
}

#[tokio::test]
async fn a_workbook_gets_a_result_that_says_how_to_save_it() {
    let mut bench = Bench::new();
    for (name, file) in [
        ("agents.XLSX", &b"PK\x03\x04\x14\x00"[..]),
        ("agents.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    ] {
        let key = key(name);
        assert_eq!(bench.import(&key, file).await, Answer::Refused { status: 422 });
        let detail = bench.result(&key)["problem"]["detail"].clone();
        assert!(detail.as_str().unwrap().contains("an Excel workbook"), "{detail}");
    }
    let tabs = key("agents.txt");
    bench.import(&tabs, "name\temail\nAda\tada@a.example\n").await;
    assert_eq!(bench.agents(OURS).await, ["ada"]);
}

#[tokio::test]
async fn a_file_that_is_too_large_is_not_read() {
    let mut bench = Bench::new();
    let mut event = bench.put(&key("a.csv"), FILE);
    event["detail"]["object"]["size"] = json!(5 * 1024 * 1024 + 1);
    event["detail"]["object"]["etag"] = "another".into();
    assert_eq!(bench.tell(&event).await, Answer::Refused { status: 413 }, "else it were gone");
}

#[tokio::test]
async fn once_organizations_are_entered_no_other_gets_users() {
    let mut bench = Bench::new();
    let entered = Organization {
        id: OTHER.parse().unwrap(),
        platform: PlatformPlace::Region("usw2".to_owned()),
        client_ids: Vec::new(),
        listen: Listen::Matched,
        on_hold: OnHold::Keep,
        queues: Vec::new(),
        retention_days: None,
    };
    bench.handler.store.put_organization(&entered).await.unwrap();
    assert_eq!(bench.import(&key("a.csv"), FILE).await, Answer::Refused { status: 404 });
    let detail = bench.result(&key("a.csv"))["problem"]["detail"].clone();
    assert!(detail.as_str().unwrap().contains(OURS), "{detail}");
    let by_command =
        ChangeOrigin { at: Clock::system().now(), by: "grace".to_owned(), way: ChangeWay::Cli };
    let (ours, ada) =
        (OURS.parse().unwrap(), read(FILE.as_bytes(), &ReadOptions::default()).unwrap());
    let users = Users::new(bench.handler.store.clone());
    users.add(ours, ada.users[0].clone(), Intent::Commit(&by_command)).await.unwrap();
    let counts = Counts { added: 1, unchanged: 1, ..Counts::default() };
    let answer = bench.import(&key("a.csv"), FILE).await;
    assert_eq!(answer, Answer::Imported { counts, change: Some(2) }, "it had users before");
    let theirs = format!("import/{OTHER}/a.csv");
    let counts = Counts { added: 2, ..Counts::default() };
    assert_eq!(bench.import(&theirs, FILE).await, Answer::Imported { counts, change: Some(1) });
}

#[tokio::test]
async fn results_and_other_buckets_are_left_alone() {
    let mut bench = Bench::new();
    let answer = bench.import(&key("a.csv.result.json"), "{}").await;
    assert_eq!(answer, Answer::Nothing);
    let mut event = bench.put(&key("a.csv"), FILE);
    event["detail"]["bucket"]["name"] = "another".into();
    let event = serde_json::from_value(event).unwrap();
    assert!(bench.handler.handle(event, Clock::system()).await.is_err());
}
