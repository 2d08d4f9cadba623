//! What is on the screen after some news.

use sidetone_driver::{EngineStatus, MatchState};
use sidetone_model::{AgentId, ConnectionId, ConversationKey, NotOurs, SessionId, UnmatchedReason};

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

#[test]
fn a_terminal_shows_every_call_in_place() {
    let mut bytes = Vec::new();
    let mut screen = live(&mut bytes, 100, 24);
    screen.started(&started());
    screen.draw(at(0));
    screen.session(at(1), &matched(0xc0ff_ee12, "ada.ashgrove", 12));
    screen.draw(at(2));
    let mut held = matched(0xc0ff_ee12, "ada.ashgrove", 62);
    held.engine.held = true;
    held.frames_committed -= 1;
    screen.session(at(3), &held);
    screen.session(at(4), &status(0xbeef));
    screen.draw(at(5));
    std::mem::forget(screen);
    assert_eq!(
        shown(&bytes, 100),
        [
            "AudioHook at ws://127.0.0.1:8080/audiohook/ws",
            "SINCE UTC  CALL      AGENT           AUDIO    POSITION   IN STREAM",
            "09:00:01   c0ffee12  ada.ashgrove    on hold     01:02  309 of 310",
            "09:00:04   0000beef  (no agent yet)  paused      00:00           0",
            "",
            "2 live, 0 ended; 1 matched, 0 unmatched; 0 recordings in data/recordings",
            "look further: sidetone tail | sidetone listen c0ffee12 -o call.wav | Ctrl-C ends",
            "",
        ]
    );
}

#[test]
fn a_small_terminal_shows_what_fits_and_says_what_not() {
    let mut bytes = Vec::new();
    let mut screen = live(&mut bytes, 48, 9);
    for number in 1..=5 {
        screen.session(at(1), &matched(number, "somebody.with.a.very.long.agent.id", 1));
    }
    screen.session(at(2), &ended(matched(1, "ada", 2)));
    screen.draw(at(3));
    std::mem::forget(screen);
    let lines = shown(&bytes, 48);
    assert!(lines.len() <= 9, "{lines:#?}");
    assert!(lines[1].contains("00000002") && lines[2].contains("00000003"), "{lines:#?}");
    assert_eq!(lines[3], "+3 more");
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
    assert_eq!(lines[0], "0 live, 2 ended; 1 matched, 1 unmatched; 0 recordings");
}

#[test]
fn notes_recordings_and_log_lines_scroll_off_above_the_table() {
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
    assert_eq!(lines[1], "09:00:02  recorded    01:15  ada, bo  data/recordings/x.wav");
    assert_eq!(lines[2], "WARN something");
    assert!(lines[3].starts_with("SINCE UTC"));
    assert!(lines[6].contains("1 recording"), "{lines:#?}");
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
        lines[1..3],
        [
            "1 live, 0 ended; 1 matched, 0 unmatched; 0 recordings in data/recordings",
            "look further: sidetone tail | sidetone listen 00000001 -o call.wav",
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
    screen.draw(at(1));
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
        "09:00:00  00000001  (no agent yet)            paused       00:00       0 frames\n\
         09:00:01  00000001  ada                       listening    00:01       5 frames\n\
         09:00:09  00000001  ada                       ended        00:09      45 frames\n\
         0 live, 1 ended; 1 matched, 0 unmatched; 0 recordings\n\
         look further: sidetone tail | sidetone listen 00000001 -o call.wav\n"
    );
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
