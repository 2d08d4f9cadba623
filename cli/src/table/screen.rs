//! The screen: takes news, and shows them in the way that fits where it prints.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::time::Duration;

use crossterm::cursor::{Hide, MoveTo, MoveToColumn, MoveUp, Show};
use crossterm::queue;
use crossterm::terminal::{BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, size};
use serde_json::{Value, json};
use sidetone_driver::{SessionStatus, Talking};
use sidetone_model::{ConnectionId, Position, Timestamp};

use super::calls::{Call, Calls};
use super::log_lines::LogLines;
use super::view::{self, Canvas, Footer};
use super::words::{clock_time, media_time};
use crate::output::{Looks, printable};

/// In which way the screen shows what happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A table that is redrawn in place.
    Live {
        /// With colours.
        colour: bool,
    },
    /// One line for each change.
    Plain,
    /// One JSON object for each change.
    Json,
}

impl Mode {
    /// Chooses what fits the output: lines where it is no terminal, a dumb one, or NO_COLOR asks
    /// for nothing but text.
    pub const fn fitting(looks: Looks) -> Self {
        if looks.json {
            Self::Json
        } else if looks.terminal && looks.colour {
            Self::Live { colour: true }
        } else {
            Self::Plain
        }
    }
}

/// What a person should know at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// The address to give to an AudioHook client.
    pub url: String,
    /// The data directory.
    pub data: std::path::PathBuf,
    /// Where finished recordings will lie.
    pub recordings: std::path::PathBuf,
}

/// A finished recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Where it lies.
    pub place: String,
    /// Who talks, in order.
    pub agents: Vec<String>,
    /// How long it is.
    pub length: Duration,
}

/// The size of a terminal that does not say.
const SIZE: (u16, u16) = (80, 24);

/// Shows what happens; everything printed by `run` goes through here.
///
/// A terminal is given back as it was when the screen is finished or dropped.
#[derive(Debug)]
pub struct Screen<W: Write> {
    mode: Mode,
    output: W,
    /// Nothing can be printed any more.
    mute: bool,
    calls: Calls,
    footer: Footer,
    log: LogLines,
    /// Lines that are to scroll off above the table.
    notes: Vec<String>,
    /// What the table looked like when it was last drawn.
    drawn: Vec<String>,
    drawn_on: Option<Canvas>,
    /// A size that is not asked of the terminal.
    fixed: Option<(u16, u16)>,
}

impl<W: Write> Screen<W> {
    /// Prepares a screen; nothing is printed yet.
    pub fn new(mode: Mode, output: W) -> Self {
        Self {
            mode,
            output,
            mute: false,
            calls: Calls::default(),
            footer: Footer::default(),
            log: LogLines::default(),
            notes: Vec::new(),
            drawn: Vec::new(),
            drawn_on: None,
            fixed: None,
        }
    }

    /// Returns where the log should write while a table is drawn; nothing elsewhere, as the log
    /// and the lines go to different places then.
    pub fn log_lines(&self) -> Option<LogLines> {
        matches!(self.mode, Mode::Live { .. }).then(|| self.log.clone())
    }

    /// Says that everything runs, and where.
    pub fn started(&mut self, started: &Started) {
        self.footer.recordings = started.recordings.display().to_string();
        self.footer.data_option = crate::commands::data_option(&started.data);
        if self.mode == Mode::Json {
            return self.print_json(&json!({
                "type": "started",
                "url": started.url,
                "data": started.data,
                "recordings": started.recordings,
            }));
        }
        self.say(format!("AudioHook at {}", started.url));
        self.say(format!("recordings in {}", self.footer.recordings));
    }

    /// Takes the queues' names.
    pub fn queues(&mut self, names: BTreeMap<String, String>) {
        self.footer.queues = names;
    }

    /// Returns whether it shows who is talking.
    pub const fn shows_talk(&self) -> bool {
        matches!(self.mode, Mode::Live { .. })
    }

    /// Takes who is talking in each session.
    pub fn talk(&mut self, now: Timestamp, talking: &HashMap<ConnectionId, Talking>) {
        self.calls.talk(now, talking);
    }

    /// Says something in one line.
    pub fn note(&mut self, note: &str) {
        if self.mode == Mode::Json {
            self.print_json(&json!({ "type": "note", "text": note }));
        } else {
            self.say(note.to_owned());
        }
    }

    /// Says how call events come in; stands below the table from now on.
    pub fn platform(&mut self, text: &str) {
        if self.footer.platform.as_deref() == Some(text) {
            return;
        }
        self.footer.platform = Some(text.to_owned());
        match self.mode {
            Mode::Live { .. } => {}
            Mode::Plain => self.say(text.to_owned()),
            Mode::Json => self.print_json(&json!({ "type": "platform", "text": text })),
        }
    }

    /// Takes news of a session.
    pub fn session(&mut self, now: Timestamp, status: &SessionStatus) {
        let noticed = self.calls.take(now, status);
        let call = self.calls.get(&status.connection);
        match (self.mode, call) {
            (Mode::Plain, Some(call)) if noticed => {
                let line =
                    format!("{}  {}", clock_time(now, false), view::plain(now, call, &self.footer));
                self.say(line);
            }
            (Mode::Json, Some(call)) if noticed => {
                let value = session_json(now, call, &self.footer);
                self.print_json(&value);
            }
            (Mode::Live { .. } | Mode::Plain | Mode::Json, _) => {}
        }
        if !matches!(self.mode, Mode::Live { .. }) {
            self.calls.tidy(now);
        }
    }

    /// Takes news of a finished recording.
    pub fn recording(&mut self, now: Timestamp, recorded: &Recorded) {
        self.calls.recorded();
        if self.mode == Mode::Json {
            return self.print_json(&json!({
                "type": "recording",
                "at": now.to_string(),
                "file": recorded.place,
                "agents": recorded.agents,
                "length_ms": u64::try_from(recorded.length.as_millis()).unwrap_or(u64::MAX),
            }));
        }
        if matches!(self.mode, Mode::Live { .. }) {
            // The counts say it; a line for each call would push the table about.
            return;
        }
        let length = media_time(Position::ZERO.plus(recorded.length), false);
        let agents = recorded.agents.join(", ");
        let name = recorded.place.rsplit('/').next().unwrap_or_default();
        let call: String = name.chars().take(8).collect();
        let time = clock_time(now, false);
        self.say(format!("{time}  {call:<8}  {agents:<18}  recorded   {length:>7}"));
    }

    /// Brings a terminal up to date; a few times a second is right. Nothing elsewhere.
    pub fn draw(&mut self, now: Timestamp) {
        let Mode::Live { colour } = self.mode else { return };
        self.calls.tidy(now);
        let log = self.log.take();
        self.notes.extend(log);
        let (columns, rows) = self.fixed.or_else(|| size().ok()).unwrap_or(SIZE);
        let canvas = Canvas { columns: columns.max(20), rows, colour };
        let lines = view::draw(now, &self.calls, &self.footer, canvas);
        if self.notes.is_empty() && lines == self.drawn && self.drawn_on == Some(canvas) {
            return;
        }
        let mut bytes = Vec::new();
        self.erase(canvas, &mut bytes);
        for note in std::mem::take(&mut self.notes) {
            put(&mut bytes, &note);
        }
        for line in &lines {
            put(&mut bytes, line);
        }
        // Writing to memory cannot fail.
        let _ = queue!(bytes, EndSynchronizedUpdate);
        self.drawn = lines;
        self.drawn_on = Some(canvas);
        self.write(&bytes);
    }

    /// Says how it went, and gives the terminal back.
    pub fn finish(mut self, now: Timestamp) {
        if self.mode == Mode::Json {
            let counts = self.calls.counts();
            return self.print_json(&json!({
                "type": "finished",
                "at": now.to_string(),
                "ended": counts.ended,
                "matched": counts.matched,
                "unmatched": counts.unmatched,
                "probes": counts.probes,
                "recordings": counts.recordings,
                "recordings_directory": self.footer.recordings,
            }));
        }
        self.draw(now);
        let mut last = vec![view::counts(&self.calls)];
        last.extend(view::hints(&self.calls, &self.footer));
        if let Some(canvas) = self.drawn_on {
            let mut bytes = Vec::new();
            self.erase(canvas, &mut bytes);
            let _ = queue!(bytes, EndSynchronizedUpdate);
            self.write(&bytes);
            self.drawn.clear();
        }
        for line in last {
            self.print_line(&line);
        }
    }

    /// Prints a line, now or above the table when that is drawn next.
    fn say(&mut self, line: String) {
        if matches!(self.mode, Mode::Live { .. }) {
            self.notes.push(printable(&line).into_owned());
        } else {
            self.print_line(&line);
        }
    }

    fn print_line(&mut self, line: &str) {
        let line = format!("{}\n", printable(line));
        self.write(line.as_bytes());
    }

    fn print_json(&mut self, value: &Value) {
        self.write(format!("{value}\n").as_bytes());
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.mute {
            return;
        }
        let written = self.output.write_all(bytes).and_then(|()| self.output.flush());
        self.mute = written.is_err();
    }

    /// Goes back to where the table began and clears it away.
    fn erase(&self, canvas: Canvas, bytes: &mut Vec<u8>) {
        let _ = queue!(bytes, BeginSynchronizedUpdate, Hide);
        let resized = self.drawn_on.is_some_and(|old| old != canvas);
        if resized {
            // Lines may have been wrapped anew; where the table began is not known any more.
            let _ = queue!(bytes, Clear(ClearType::All), MoveTo(0, 0));
        } else if !self.drawn.is_empty() {
            let rows = u16::try_from(self.drawn.len()).unwrap_or(u16::MAX);
            let _ = queue!(bytes, MoveToColumn(0), MoveUp(rows));
        }
        let _ = queue!(bytes, Clear(ClearType::FromCursorDown));
    }
}

impl<W: Write> Drop for Screen<W> {
    fn drop(&mut self) {
        // What could not be drawn any more, such as why nothing started, is told all the same.
        let mut bytes = Vec::new();
        let log = self.log.take();
        for line in self.notes.drain(..).chain(log) {
            put(&mut bytes, &line);
        }
        if self.drawn_on.is_some() {
            let _ = queue!(bytes, Show);
        }
        if !bytes.is_empty() {
            self.write(&bytes);
        }
    }
}

/// Puts a line; a terminal in raw mode needs the return, any other does not mind it.
fn put(bytes: &mut Vec<u8>, line: &str) {
    bytes.extend_from_slice(line.as_bytes());
    bytes.extend_from_slice(b"\r\n");
}

fn session_json(now: Timestamp, call: &Call, footer: &Footer) -> Value {
    let status = &call.status;
    let engine = &status.engine;
    json!({
        "type": "session",
        "at": now.to_string(),
        "conversation_id": engine.key.map(|key| key.conversation),
        "organization_id": engine.key.map(|key| key.organization),
        "session_id": status.session,
        "probe": engine.probe,
        "agent_id": call.is_matched().then(|| call.who()),
        "reason": call.reason(),
        "state": call.doing().as_str(),
        "queue_id": call.queue(),
        "queue": call.queue().and_then(|id| footer.queues.get(id)),
        "direction": engine.leg.as_ref().map(|leg| leg.direction),
        "with_agent_ms": call.with_agent(now).map(|time| Position::ZERO.plus(time).as_millis()),
        "position_ms": engine.position.as_millis(),
        "frames_accepted": engine.frames_accepted,
        "frames_committed": status.frames_committed,
    })
}

#[cfg(test)]
mod tests;
