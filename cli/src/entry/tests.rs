//! Whole commands: what they print, where, and how they end.

use std::fs;
use std::path::Path;

use clap::Parser;
use serde_json::Value;
use sidetone_consumer::recording_name;
use sidetone_delivery_wire as wire;
use sidetone_delivery_wire::{Body, Heading, encode};
use sidetone_model::{ConnectionId, ConversationId, ConversationKey, SessionId, Timestamp};
use sidetone_ports::{Clock, RecordSink, StreamRecord};
use sidetone_ports_embedded::{KeyFile, Stream};
use tempfile::TempDir;

use super::*;
use crate::output::Looks;

const ORGANIZATION: &str = "1f0e0d0c-0b0a-4908-8706-050403020100";
const CALL: &str = "c0ffee12-3456-4789-8abc-def012345678";
const OTHER_CALL: &str = "c0ffee13-3456-4789-8abc-def012345678";
const SESSION: &str = "5a1b7c30-9f42-4d0e-8b6a-2c3d4e5f6071";

struct Ran {
    exit: Exit,
    results: String,
    notes: String,
}

/// Runs a command line.
fn run_words(words: &[String]) -> Ran {
    let args = Args::try_parse_from(words).unwrap();
    let (mut results, mut notes) = (Vec::new(), Vec::new());
    let looks = Looks { json: args.global.json, ..Looks::default() };
    let mut output = Output::new(&mut results, &mut notes, looks);
    let exit = run_with(&args, &mut output);
    drop(output);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { exit, results: text(results), notes: text(notes) }
}

/// A data directory to run commands on.
struct Bench(TempDir);

impl Bench {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file beside the data and returns its path.
    fn file(&self, name: &str, text: &str) -> String {
        let path = self.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    fn run(&self, words: &[&str]) -> Ran {
        let data = self.path().display().to_string();
        let all = ["sidetone", "--data", &data].into_iter().chain(words.iter().copied());
        run_words(&all.map(str::to_owned).collect::<Vec<_>>())
    }

    /// Runs a command that has to work.
    fn done(&self, words: &[&str]) -> String {
        let ran = self.run(words);
        assert_eq!(ran.exit, Exit::Done, "{words:?}: {}", ran.notes);
        ran.results
    }

    fn done_json(&self, words: &[&str]) -> Value {
        let words = [words, &["--json"]].concat();
        serde_json::from_str(&self.done(&words)).unwrap()
    }

    /// Puts a session into the stream; with an agent if it has audio.
    fn put(&self, conversation: &str, has_audio: bool) {
        let conversation: ConversationId = conversation.parse().unwrap();
        let organization = crate::SIMULATED_ORGANIZATION;
        let key = ConversationKey { organization, conversation };
        let heading =
            Heading::new(key, Some(SESSION.parse().unwrap()), &ConnectionId::new("door-1"));
        let at: Timestamp = "2026-08-15T09:00:00Z".parse().unwrap();
        let records = (1..).zip(bodies(has_audio)).map(|(number, body)| (number, at, body));
        let data = encode(&heading, records);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let stream = Stream::open(&self.path().join("stream.db"), Clock::system()).unwrap();
            let record = StreamRecord { partition_key: conversation, data };
            stream.put(vec![record]).await.unwrap();
        });
    }
}

fn bodies(has_audio: bool) -> Vec<Body> {
    let mut started =
        wire::SessionStarted { rate: 8_000, listen: "matched".into(), ..Default::default() };
    started.set_format(wire::AudioFormat::Pcmu);
    started.push_channels(wire::MediaChannel::External);
    started.push_channels(wire::MediaChannel::Internal);
    let mut bodies = vec![Body::SessionStarted(started)];
    if !has_audio {
        let reason = "not-answered".to_owned();
        bodies.push(Body::Match(wire::Match { reason, ..Default::default() }));
        return bodies;
    }
    let mut event = wire::CallEvent {
        communication_id: "leg".into(),
        agent_id: "ada".into(),
        ..Default::default()
    };
    event.set_kind(wire::CallEventKind::Started);
    bodies.push(Body::CallEvent(event));
    bodies.extend((0..10).map(|frame| {
        let data = vec![0x80; 3_200].into();
        let position = frame * 1_600;
        Body::Audio(wire::Audio { position, samples: 1_600, data, ..Default::default() })
    }));
    bodies
}

mod org;
mod users;

#[test]
fn what_is_imported_is_listed() {
    let bench = Bench::new();
    let sample = bench.done(&["users", "sample"]);
    let file = bench.file("agents.csv", &sample);
    let imported = bench.run(&["users", "import", &file, "--organization", ORGANIZATION]);
    assert_eq!(
        imported.results,
        format!("imported 3 users of organization {ORGANIZATION}; 2 of them are listened to\n")
    );
    let list = ["users", "list", "--organization", ORGANIZATION];
    let table = bench.done(&list);
    assert!(table.starts_with("AGENT"), "{table}");
    assert_eq!(table.lines().count(), 4);
    let csv = bench.done(&[&list[..], &["--csv"]].concat());
    let again = bench.file("again.csv", &csv);
    bench.done(&["users", "import", &again, "--organization", ORGANIZATION]);
    assert_eq!(bench.done(&list), table);
    let value = bench.done_json(&list);
    assert_eq!(value["users"][0]["agent"], "ada");
    assert_eq!(value["users"][2]["adaptor"], "avaya");
}

#[test]
fn a_file_with_a_bad_row_changes_nothing_and_names_it() {
    let bench = Bench::new();
    let text = "name,email,adaptor\nAda,ada@a.example,genesys-cloud\n,bo@a.example,nortel\n";
    let file = bench.file("bad.csv", text);
    let ran = bench.run(&["users", "import", &file]);
    assert_eq!((ran.exit, ran.results.as_str()), (Exit::BadInput, ""));
    assert_eq!(
        ran.notes.replace(&file, "bad.csv"),
        "row 3, name: is empty\n\
         row 3, adaptor: \"nortel\" is none of genesys-cloud, genesys-engage, avaya, cisco\n\
         error: bad.csv: 1 of 2 rows is bad (2 faults); nothing was imported\n\
         hint: correct these rows and import the whole file again\n"
    );
    let ran = bench.run(&["users", "import", &file, "--json"]);
    let value: Value = serde_json::from_str(&ran.notes).unwrap();
    assert_eq!(value["rows"].as_array().unwrap().len(), 2);
    assert_eq!((&value["rows"][1]["row"], &value["exit"]), (&3.into(), &2.into()));
    let list = ["users", "list", "--organization", ORGANIZATION];
    assert_eq!(bench.done_json(&list)["users"], Value::Array(Vec::new()));
}

#[test]
fn files_that_are_none_are_refused() {
    let bench = Bench::new();
    let ran = bench.run(&["users", "import", "nowhere.csv"]);
    assert_eq!(ran.exit, Exit::BadInput);
    assert!(ran.notes.starts_with("error: cannot read nowhere.csv\n  because: No such file"));
    let empty = bench.file("empty.csv", "name,email,adaptor\n");
    let ran = bench.run(&["users", "import", &empty]);
    assert_eq!(ran.exit, Exit::BadInput);
    assert!(ran.notes.contains("hint: `sidetone users sample`"), "{}", ran.notes);
    let heading = bench.file("heading.csv", "name,email,adaptor,salary\n");
    assert!(bench.run(&["users", "import", &heading]).notes.contains("salary"));
}

#[test]
fn two_people_who_follow_each_other_on_one_id_are_reported() {
    let bench = Bench::new();
    bench.done(&["secrets", "new", "--organization", ORGANIZATION]);
    let first = bench.file("1.csv", "name,email,adaptor\nAda,ada@a.example,genesys-cloud\n");
    let second = bench.file("2.csv", "name,email,adaptor\nAda,ADA@b.example,genesys-cloud\n");
    bench.done(&["users", "import", &first]);
    let ran = bench.run(&["users", "import", &second]);
    assert!(ran.notes.contains("ada: had another username until now"), "{}", ran.notes);
    let value = bench.done_json(&["users", "import", &first]);
    assert_eq!(value["other_username"], serde_json::json!(["ada"]));
}

#[test]
fn users_go_to_the_one_organization_that_has_a_key() {
    let bench = Bench::new();
    bench.done(&["secrets", "new", "--organization", ORGANIZATION]);
    let file = bench.file("a.csv", "name,email,adaptor\nAda,ada@a.example,genesys-cloud\n");
    assert!(bench.done(&["users", "import", &file]).contains(ORGANIZATION));
    let simulated = crate::SIMULATED_ORGANIZATION.to_string();
    bench.done(&["secrets", "new", "--organization", &simulated]);
    let ran = bench.run(&["users", "import", &file]);
    assert_eq!(ran.exit, Exit::BadInput);
    assert!(ran.notes.contains("--organization, one of"), "{}", ran.notes);
}

#[test]
fn a_secret_is_shown_once_and_the_second_leaves_the_first_good() {
    let bench = Bench::new();
    let first = bench.done_json(&["secrets", "new", "--organization", ORGANIZATION]);
    let key = first["api_key"].as_str().unwrap();
    let second = bench.done_json(&["secrets", "new", "--key", key]);
    assert_eq!((&second["api_key"], &second["live_secrets"]), (&first["api_key"], &2.into()));
    assert_ne!(second["client_secret"], first["client_secret"]);
    let third = bench.run(&["secrets", "new", "--key", key]);
    assert!(third.notes.contains("no longer good"), "{}", third.notes);
    let kept = KeyFile::open(&bench.path().join("keys.json")).unwrap().keys().unwrap();
    let second = second["client_secret"].as_str().unwrap();
    assert_eq!((kept[0].secrets.len(), kept[0].secrets[1].as_str()), (2, second));
    for listed in [bench.done(&["secrets", "list"]), bench.done(&["secrets", "list", "--json"])] {
        assert!(listed.contains(key) && listed.contains(ORGANIZATION), "{listed}");
        assert!(!kept[0].secrets.iter().any(|secret| listed.contains(secret)), "{listed}");
    }
}

#[test]
fn a_key_that_cannot_be_is_refused() {
    let bench = Bench::new();
    let ran = bench.run(&["secrets", "new"]);
    assert_eq!(ran.exit, Exit::BadInput);
    assert!(ran.notes.contains("--organization UUID"), "{}", ran.notes);
    let ran = bench.run(&["secrets", "new", "--organization", ORGANIZATION, "--key", "a b"]);
    assert_eq!(ran.exit, Exit::BadInput);
    assert!(ran.notes.starts_with("error: that cannot be an API key\n  because: an api key has"));
    bench.done(&["secrets", "new", "--organization", ORGANIZATION, "--key", "mine"]);
    let other = crate::SIMULATED_ORGANIZATION.to_string();
    let ran = bench.run(&["secrets", "new", "--organization", &other, "--key", "mine"]);
    assert_eq!(ran.exit, Exit::BadInput);
}

#[test]
fn commands_that_only_look_make_no_directory() {
    let bench = Bench::new();
    let nowhere = bench.path().join("nowhere").display().to_string();
    let listen = ["listen", "c0ffee12", "-o", "x.wav"];
    for words in [&["tail"][..], &listen, &["users", "list"], &["secrets", "list"]] {
        let ran = bench.run(&[words, &["--data", &nowhere]].concat());
        assert_eq!(ran.exit, Exit::Fault, "{words:?}");
        assert!(ran.notes.contains("hint: start `sidetone run` first"), "{}", ran.notes);
    }
    assert!(!Path::new(&nowhere).exists());
    let ran = bench.run(&["tail"]);
    assert_eq!(ran.exit, Exit::Fault);
    assert!(ran.notes.contains("stream.db does not exist"), "{}", ran.notes);
}

#[test]
fn a_bad_configuration_is_bad_input() {
    let bench = Bench::new();
    let file = bench.file("sidetone.toml", "lissen = \"127.0.0.1:1\"");
    let ran = bench.run(&["users", "list", "--config", &file]);
    assert_eq!(ran.exit, Exit::BadInput);
    assert!(ran.notes.contains("sidetone.toml:1:1: unknown field `lissen`"), "{}", ran.notes);
}

#[test]
fn a_running_call_can_be_heard_by_the_beginning_of_its_id() {
    let bench = Bench::new();
    bench.put(CALL, true);
    bench.put(OTHER_CALL, false);
    let wav = bench.path().join("call.wav").display().to_string();
    let ran = bench.run(&["listen", "c0ffee12", "-o", &wav]);
    assert_eq!(ran.results, format!("{wav}: 00:02 of {CALL}; left the customer, right ada\n"));
    assert!(ran.notes.contains("the call still runs"), "{}", ran.notes);
    let reader = hound::WavReader::open(&wav).unwrap();
    assert_eq!((reader.spec().channels, reader.duration()), (2, 16_000));
    let value = bench.done_json(&["listen", CALL, "-o", &wav]);
    assert_eq!((&value["length_ms"], &value["running"]), (&2_000.into(), &true.into()));
    assert_eq!(fs::read_dir(bench.path()).unwrap().flatten().filter(is_part).count(), 0);
}

fn is_part(entry: &fs::DirEntry) -> bool {
    entry.path().extension().is_some_and(|extension| extension == "part")
}

#[test]
fn a_finished_recording_is_copied() {
    let bench = Bench::new();
    let session: SessionId = SESSION.parse().unwrap();
    let recordings = bench.path().join("recordings");
    fs::create_dir(&recordings).unwrap();
    let organization = crate::SIMULATED_ORGANIZATION;
    let key = ConversationKey { organization, conversation: CALL.parse().unwrap() };
    let name = recording_name(key, session);
    fs::write(recordings.join(name).with_extension("wav"), "sound").unwrap();
    let wav = bench.path().join("call.wav").display().to_string();
    bench.done(&["listen", "c0ffee", "-o", &wav]);
    assert_eq!(fs::read_to_string(wav).unwrap(), "sound");
}

#[test]
fn what_cannot_be_heard_says_why() {
    let bench = Bench::new();
    bench.put(CALL, true);
    bench.put(OTHER_CALL, false);
    let wav = bench.path().join("call.wav").display().to_string();
    let told = |words: &[&str]| {
        let ran = bench.run(&[&["listen", "-o", &wav], words].concat());
        assert_ne!(ran.exit, Exit::Done);
        assert!(!Path::new(&wav).exists());
        (ran.exit, ran.notes)
    };
    let (exit, notes) = told(&["beef0000"]);
    assert_eq!(exit, Exit::BadInput);
    assert!(notes.starts_with("error: no conversation beef0000 in "), "{notes}");
    assert!(notes.contains("tail --data"), "{notes}");
    let (exit, notes) = told(&["c0ffee"]);
    assert_eq!(exit, Exit::BadInput);
    assert!(notes.contains("2 conversations begin with c0ffee") && notes.contains(OTHER_CALL));
    let (exit, notes) = told(&[OTHER_CALL]);
    assert_eq!(exit, Exit::Fault);
    assert!(notes.contains("has no audio: not-answered"), "{notes}");
    let (exit, notes) = told(&[CALL, "--session", ORGANIZATION]);
    assert_eq!(exit, Exit::BadInput);
    assert!(notes.contains(&format!("hint: it has {SESSION}")), "{notes}");
}

#[test]
fn a_file_that_cannot_be_written_is_named() {
    let bench = Bench::new();
    bench.put(CALL, true);
    let ran = bench.run(&["listen", CALL, "-o", "/nowhere/call.wav"]);
    assert_eq!(ran.exit, Exit::Fault);
    assert!(ran.notes.contains("No such file"), "{}", ran.notes);
}

#[test]
fn completions_are_a_script() {
    let script = Bench::new().done(&["completions", "bash"]);
    assert!(script.contains("_sidetone()"), "{}", &script[..200]);
}

/// Returns what is printed for a command line that cannot be read.
fn misused(words: &[&str]) -> (Exit, String) {
    let all: Vec<&str> = ["sidetone"].into_iter().chain(words.iter().copied()).collect();
    let error = Args::try_parse_from(&all).unwrap_err();
    let json = asks_for_json(all.iter().map(OsString::from));
    let mut notes = Vec::new();
    let looks = Looks { json, ..Looks::default() };
    let exit = usage(&error, &mut Output::new(std::io::sink(), &mut notes, looks));
    (exit, String::from_utf8(notes).unwrap())
}

#[test]
fn usage_errors_are_json_if_json_was_asked_for() {
    for (words, says) in [
        (vec!["--json", "tail", "--bogus"], "unexpected argument '--bogus' found"),
        (vec!["simulate", "--speed", "fast", "--json"], "expected a number from 0.01 to 100"),
        (vec!["why", "--json"], "were not provided: <CONVERSATION>"),
        (vec!["frobnicate", "--json"], "unrecognized subcommand 'frobnicate'"),
        (vec!["--json"], "a command is missing"),
        (vec!["users", "--json"], "a command is missing"),
        (vec!["tail", "--json", "--frames"], "cannot be used with"),
    ] {
        let (exit, text) = misused(&words);
        assert_eq!(exit, Exit::BadInput, "{words:?}");
        let value: Value = serde_json::from_str(&text).unwrap();
        assert!(value["error"].as_str().unwrap().contains(says), "{words:?}: {text}");
        assert_eq!(value["exit"], 2);
        assert!(!value["hint"].as_str().unwrap().is_empty(), "{text}");
    }
}

#[cfg(not(feature = "aws"))]
#[test]
fn stack_is_refused_by_a_build_without_aws() {
    let (exit, text) = misused(&["--stack", "prod", "users", "list", "--json"]);
    assert_eq!(exit, Exit::BadInput);
    assert!(text.contains("this build has no AWS support; build with --features aws"), "{text}");
    let help = <Args as clap::CommandFactory>::command().render_long_help().to_string();
    assert!(help.contains("--stack <NAME>"), "{help}");
}

#[test]
fn unknown_conversations_are_bad_input_to_every_command() {
    let bench = Bench::new();
    bench.put(CALL, true);
    let wav = bench.path().join("x.wav").display().to_string();
    let commands: [&[&str]; 3] = [
        &["tail", "--conversation", "dead", "--once"],
        &["listen", "dead", "-o", &wav],
        &["why", "dead"],
    ];
    for words in commands {
        let ran = bench.run(words);
        assert_eq!(ran.exit, Exit::BadInput, "{words:?}: {}", ran.notes);
        assert!(ran.notes.contains("no conversation dead in"), "{}", ran.notes);
        // The same where nothing was ever delivered.
        let ran = Bench::new().run(words);
        assert_eq!(ran.exit, Exit::BadInput, "{words:?}: {}", ran.notes);
    }
    bench.done(&["tail", "--conversation", "c0ffee12", "--once"]);
}

#[test]
fn listen_does_not_wait_for_a_call_whose_process_is_gone() {
    let bench = Bench::new();
    bench.put(CALL, true);
    let wav = bench.path().join("x.wav").display().to_string();
    let ran = bench.run(&["listen", "c0ffee12", "-o", &wav, "--wait"]);
    assert_eq!(ran.exit, Exit::Done);
    let place = bench.path().display();
    assert!(ran.notes.contains(&format!("nothing is running on {place}")), "{}", ran.notes);
}
