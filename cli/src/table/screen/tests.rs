//! What is on the screen after some news.

use sidetone_driver::{EngineStatus, LegStatus, MatchState};
use sidetone_model::{
    AgentId, ConnectionId, ConversationKey, Direction, NotOurs, SessionId, UnmatchedReason,
};

use super::*;

fn at(seconds: u64) -> Timestamp {
    let start: Timestamp = "2026-08-15T09:00:00Z".parse().unwrap();
    start + Duration::from_secs(seconds)
}

fn status(number: u128) -> SessionStatus {
    let conversation = format!("{number:08x}-3456-4789-8abc-def012345678").parse().unwrap();
    let organization = crate::SIMULATED_ORGANIZATION;
    SessionStatus {
        session: SessionId::new(uuid::Uuid::from_u128(number)),
        connection: ConnectionId::new(format!("door-{number}")),
        engine: EngineStatus {
            key: Some(ConversationKey { organization, conversation }),
            probe: false,
            state: MatchState::Unmatched(UnmatchedReason::NoAgent),
            listens: false,
            rings: false,
            held: false,
            position: Position::ZERO,
            frames_accepted: 0,
            leg: None,
        },
        frames_committed: 0,
        ended: false,
    }
}

fn matched(number: u128, agent: &str, seconds: u64) -> SessionStatus {
    let mut status = status(number);
    status.engine.state = MatchState::Matched(AgentId::new(agent));
    status.engine.listens = true;
    status.engine.position = Position::from_millis(seconds * 1_000);
    status.engine.frames_accepted = seconds * 5;
    status.frames_committed = seconds * 5;
    status.engine.leg = Some(LegStatus {
        connected_at: Some(at(0)),
        ended_at: None,
        direction: Direction::Inbound,
        queue: Some("queue-id".into()),
    });
    status
}

fn ended(status: SessionStatus) -> SessionStatus {
    let engine = EngineStatus { listens: false, ..status.engine };
    SessionStatus { engine, ended: true, ..status }
}

fn started() -> Started {
    Started {
        url: "ws://127.0.0.1:8080/audiohook/ws".into(),
        data: "data".into(),
        recordings: "data/recordings".into(),
    }
}

/// What stands on a terminal of the given size after these bytes; knows what the screen uses.
fn shown(bytes: &[u8], columns: usize) -> Vec<String> {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let mut lines: Vec<String> = vec![String::new()];
    let mut row = 0;
    let mut rest = text.as_str();
    while let Some(letter) = rest.chars().next() {
        rest = &rest[letter.len_utf8()..];
        match letter {
            '\r' => {}
            '\n' => {
                row += 1;
                if row == lines.len() {
                    lines.push(String::new());
                }
            }
            '\u{1b}' => {
                let end = rest.find(|one: char| one.is_ascii_alphabetic()).unwrap();
                let (number, command) = (&rest[1..end], &rest[end..=end]);
                match command {
                    "A" => row -= number.parse::<usize>().unwrap(),
                    "J" if number.is_empty() || number == "0" => {
                        lines.truncate(row);
                        lines.push(String::new());
                    }
                    "J" => lines = vec![String::new()],
                    "H" => row = 0,
                    _ => {}
                }
                rest = &rest[end + 1..];
            }
            letter => lines[row].push(letter),
        }
    }
    for line in &lines {
        assert!(line.chars().count() <= columns, "{line:?} is wider than {columns}");
    }
    lines.iter().map(|line| line.trim_end().to_owned()).collect()
}

fn live(bytes: &mut Vec<u8>, columns: u16, rows: u16) -> Screen<&mut Vec<u8>> {
    let mut screen = Screen::new(Mode::Live { colour: false }, bytes);
    screen.fixed = Some((columns, rows));
    screen
}

fn talks(status: &SessionStatus, customer: bool, agent: bool) -> HashMap<ConnectionId, Talking> {
    HashMap::from([(status.connection.clone(), Talking { customer, agent })])
}

#[test]
fn a_terminal_shows_every_call_in_place() {
    let mut bytes = Vec::new();
    let mut screen = live(&mut bytes, 80, 24);
    screen.started(&started());
    screen.queues(BTreeMap::from([("queue-id".to_owned(), "Billing".to_owned())]));
    screen.draw(at(0));
    let ada = matched(0xc0ff_ee12, "ada.ashgrove", 12);
    screen.session(at(1), &ada);
    screen.draw(at(2));
    let mut held = matched(0xbeef, "bo", 62);
    held.engine.held = true;
    screen.session(at(3), &held);
    let mut unmatched = status(0xdead);
    unmatched.engine.state = MatchState::Unmatched(UnmatchedReason::NotOurs(NotOurs::UnknownUser));
    screen.session(at(4), &unmatched);
    screen.talk(at(62), &talks(&ada, true, false));
    screen.draw(at(62));
    std::mem::forget(screen);
    assert_eq!(
        shown(&bytes, 80),
        [
            "AudioHook at ws://127.0.0.1:8080/audiohook/ws",
            "recordings in data/recordings",
            "CALL      AGENT           QUEUE    WAY  TALKING   WITH AGENT",
            "c0ffee12  ada.ashgrove    Billing  in   customer       01:02",
            "0000beef  bo              Billing  in   on hold        01:02",
            "0000dead  (unknown user)                paused             -",
            "",
            "3 calls now, 0 ended; 2 matched, 0 not matched; 0 recordings",
            "not matched: sidetone why 0000dead",
            "audio: sidetone listen 0000beef -o call.wav",
            "stream: sidetone tail",
            "Ctrl-C ends",
            "",
        ]
    );
}

#[test]
fn speaker_is_shown_until_the_channel_is_silent_for_a_while() {
    let mut bytes = Vec::new();
    let mut screen = live(&mut bytes, 80, 24);
    let ada = matched(1, "ada", 1);
    screen.session(at(0), &ada);
    let mut seen = Vec::new();
    for (second, customer, agent) in [(1, true, true), (2, false, true), (5, false, false)] {
        screen.talk(at(second), &talks(&ada, customer, agent));
        screen.talk(at(second) + Duration::from_millis(1_300), &talks(&ada, false, agent));
        seen.push(screen.calls.first(1)[0].speaker(at(second) + Duration::from_millis(1_300)));
    }
    assert_eq!(seen, ["agent", "agent", "silence"]);
    std::mem::forget(screen);
}

#[test]
fn a_small_terminal_shows_what_fits_and_says_what_not() {
    let mut bytes = Vec::new();
    let mut screen = live(&mut bytes, 48, 11);
    for number in 1..=5 {
        screen.session(at(1), &matched(number, "somebody.with.a.very.long.agent.id", 1));
    }
    screen.session(at(2), &ended(matched(1, "ada", 2)));
    screen.draw(at(3));
    std::mem::forget(screen);
    let lines = shown(&bytes, 48);
    assert!(lines.len() <= 11, "{lines:#?}");
    assert!(lines[1].contains("00000002") && lines[2].contains("00000003"), "{lines:#?}");
    assert_eq!(lines[4], "+2 more");
}

#[test]
fn command_wider_than_the_terminal_goes_on_in_the_next_line() {
    let mut bytes = Vec::new();
    let mut screen = live(&mut bytes, 48, 24);
    let data = "/srv/a-rather-long-name/of-a-data-directory".into();
    screen.started(&Started { data, ..started() });
    screen.session(at(1), &matched(1, "ada", 1));
    screen.draw(at(1));
    std::mem::forget(screen);
    let text = shown(&bytes, 60).join("\n");
    let command = "sidetone listen 00000001 -o call.wav \\\n    --data \\\n";
    assert!(text.contains(command), "{text}");
}

#[test]
fn calls_leave_the_screen_some_time_after_their_end() {
    let mut bytes = Vec::new();
    let mut screen = live(&mut bytes, 100, 24);
    screen.session(at(0), &matched(1, "ada", 1));
    screen.session(at(1), &ended(matched(1, "ada", 2)));
    let mut other = ended(status(2));
    other.engine.state = MatchState::Unmatched(UnmatchedReason::NotOurs(NotOurs::Collision));
    screen.session(at(2), &other);
    screen.draw(at(3));
    screen.draw(at(20));
    std::mem::forget(screen);
    let lines = shown(&bytes, 100);
    assert_eq!(lines[0], "0 calls now, 2 ended; 1 matched, 1 not matched; 0 recordings");
}

#[test]
fn notes_and_log_lines_scroll_off_above_the_table() {
    let mut bytes = Vec::new();
    let mut screen = live(&mut bytes, 100, 24);
    let mut log = screen.log_lines().unwrap();
    screen.session(at(0), &matched(1, "ada", 1));
    screen.draw(at(1));
    log.write_all(b"WARN something\n").unwrap();
    screen.note("a note\u{1b}[2J");
    screen.recording(
        at(2),
        &Recorded {
            place: "data/recordings/x.wav".into(),
            agents: vec!["ada".into(), "bo".into()],
            length: Duration::from_secs(75),
        },
    );
    screen.draw(at(2));
    std::mem::forget(screen);
    let lines = shown(&bytes, 100);
    assert_eq!(lines[0], "a note\u{fffd}[2J");
    assert_eq!(lines[1], "WARN something");
    assert!(lines[2].starts_with("CALL"));
    assert!(lines[5].contains("1 recording"), "{lines:#?}");
}

#[test]
fn a_finished_screen_leaves_a_summary_and_a_cursor() {
    let mut bytes = Vec::new();
    let mut screen = live(&mut bytes, 100, 24);
    screen.started(&started());
    screen.session(at(0), &matched(1, "ada", 1));
    screen.draw(at(0));
    screen.finish(at(1));
    let lines = shown(&bytes, 100);
    assert_eq!(
        lines[1..5],
        [
            "recordings in data/recordings",
            "1 call now, 0 ended; 1 matched, 0 not matched; 0 recordings",
            "audio: sidetone listen 00000001 -o call.wav",
            "stream: sidetone tail",
        ]
    );
    assert!(bytes.ends_with(b"\x1b[?25h"));
}

#[test]
fn nothing_is_drawn_where_nothing_changed() {
    let mut bytes = Vec::new();
    let mut screen = live(&mut bytes, 100, 24);
    screen.session(at(0), &matched(1, "ada", 1));
    screen.draw(at(0));
    let before = screen.output.len();
    screen.draw(at(0) + Duration::from_millis(300));
    assert_eq!(screen.output.len(), before);
}

#[test]
fn elsewhere_each_change_is_a_line_and_progress_is_none() {
    let mut bytes = Vec::new();
    let mut screen = Screen::new(Mode::Plain, &mut bytes);
    assert!(screen.log_lines().is_none());
    screen.session(at(0), &status(1));
    screen.session(at(1), &matched(1, "ada", 1));
    screen.session(at(2), &matched(1, "ada", 2));
    screen.session(at(9), &ended(matched(1, "ada", 9)));
    screen.draw(at(9));
    screen.finish(at(9));
    assert_eq!(
        String::from_utf8(bytes).unwrap(),
        "09:00:00  00000001  (no agent yet)      paused           -\n\
         09:00:01  00000001  ada                 listening    00:01  in   queue-id\n\
         09:00:09  00000001  ada                 ended        00:09  in   queue-id\n\
         0 calls now, 1 ended; 1 matched, 0 not matched; 0 recordings\n\
         audio: sidetone listen 00000001 -o call.wav\n\
         stream: sidetone tail\n"
    );
}

#[test]
fn terminal_without_colours_or_a_dumb_one_gets_lines() {
    let terminal = Looks { terminal: true, colour: true, ..Looks::default() };
    assert_eq!(Mode::fitting(terminal), Mode::Live { colour: true });
    assert_eq!(Mode::fitting(Looks { colour: false, ..terminal }), Mode::Plain);
    assert_eq!(Mode::fitting(Looks { json: true, ..terminal }), Mode::Json);
}

#[test]
fn as_json_each_change_is_an_object() {
    let mut bytes = Vec::new();
    let mut screen = Screen::new(Mode::Json, &mut bytes);
    screen.started(&started());
    let mut probe = ended(status(1));
    probe.engine.probe = true;
    probe.engine.key = None;
    screen.session(at(0), &probe);
    screen.session(at(1), &status(2));
    screen.finish(at(2));
    let values: Vec<Value> = String::from_utf8(bytes)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(values[0]["url"], "ws://127.0.0.1:8080/audiohook/ws");
    assert_eq!((&values[1]["probe"], &values[1]["reason"]), (&json!(true), &Value::Null));
    assert_eq!(
        (&values[2]["reason"], &values[2]["state"]),
        (&json!("no-agent-yet"), &json!("paused"))
    );
    assert_eq!((&values[3]["probes"], &values[3]["ended"]), (&json!(1), &json!(0)));
}

#[test]
fn call_that_rings_is_ringing_in_json_until_it_ends() {
    let mut bytes = Vec::new();
    let mut screen = Screen::new(Mode::Json, &mut bytes);
    let mut ringing = status(1);
    ringing.engine.state = MatchState::Unmatched(UnmatchedReason::NotAnswered);
    ringing.engine.rings = true;
    screen.session(at(0), &ringing);
    ringing.engine.rings = false;
    screen.session(at(9), &ended(ringing));
    drop(screen);
    let values: Vec<Value> = String::from_utf8(bytes)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let reasons: Vec<&Value> = values.iter().map(|value| &value["reason"]).collect();
    assert_eq!(reasons, ["ringing", "not-answered"]);
}

#[test]
fn a_reader_that_left_stops_the_showing_alone() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut screen = Screen::new(Mode::Plain, Gone);
    screen.note("one");
    screen.session(at(0), &status(1));
    screen.finish(at(1));
}
