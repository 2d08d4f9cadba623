//! What the screen looks like, as a function of what is known. Prints nothing.

use std::collections::BTreeMap;

use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, Row, Table,
    presets,
};
use crossterm::style::Stylize;
use sidetone_model::{Position, Timestamp};

use super::calls::{Call, Calls, Doing};
use super::words::{media_time, short};
use crate::output::printable;

/// How large the screen is, and whether it has colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Canvas {
    pub(super) columns: u16,
    pub(super) rows: u16,
    pub(super) colour: bool,
}

/// What is known beside the calls.
#[derive(Debug, Clone, Default)]
pub(super) struct Footer {
    /// Where finished recordings are.
    pub(super) recordings: String,
    /// ` --data DIR`, if that is not the default.
    pub(super) data_option: String,
    /// How call events come in.
    pub(super) platform: Option<String>,
    /// The queues' names by id.
    pub(super) queues: BTreeMap<String, String>,
}

/// Rows that are no calls: the heading, "more", a blank, and the cursor's.
const OTHER_ROWS: usize = 4;

/// Draws the table and what is below it, one string a line, none wider than the canvas.
pub(super) fn draw(now: Timestamp, calls: &Calls, footer: &Footer, canvas: Canvas) -> Vec<String> {
    let mut below = vec![paint(counts(calls), canvas, |text| text.bold().to_string())];
    if let Some(platform) = &footer.platform {
        below.push(paint(platform.clone(), canvas, str::to_owned));
    }
    for hint in hints(calls, footer) {
        let lines = wrapped(&hint, usize::from(canvas.columns));
        below.extend(lines.into_iter().map(|line| paint(line, canvas, |it| it.dim().to_string())));
    }
    below.push(paint("Ctrl-C ends".to_owned(), canvas, |text| text.dim().to_string()));
    let room = usize::from(canvas.rows).saturating_sub(OTHER_ROWS + below.len());
    let first = calls.first(room);
    let mut lines = Vec::new();
    if !first.is_empty() {
        lines.extend(table(now, &first, footer, canvas));
    }
    let more = calls.len() - first.len();
    if more > 0 {
        lines.push(paint(format!("+{more} more"), canvas, |text| text.dim().to_string()));
    }
    if !lines.is_empty() {
        lines.push(String::new());
    }
    lines.extend(below);
    lines
}

/// Returns the counts in one line.
pub(super) fn counts(calls: &Calls) -> String {
    let counts = calls.counts();
    let counted = |count: usize, what: &str| match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    };
    let mut text = format!(
        "{} now, {} ended; {} matched, {} not matched; ",
        counted(calls.live(), "call"),
        counts.ended,
        counts.matched,
        counts.unmatched,
    );
    if counts.probes > 0 {
        text += &format!("{}; ", counted(counts.probes, "probe"));
    }
    text + &counted(counts.recordings, "recording")
}

/// Returns commands that show more, each in one line.
pub(super) fn hints(calls: &Calls, footer: &Footer) -> Vec<String> {
    let data = &footer.data_option;
    let id = |call: Option<&Call>| call.and_then(|call| call.status.engine.key);
    let mut hints = Vec::new();
    if let Some(key) = id(calls.unmatched()) {
        hints.push(format!("not matched: sidetone why {}{data}", short(key.conversation)));
    }
    if let Some(key) = id(calls.example()) {
        let call = short(key.conversation);
        hints.push(format!("audio: sidetone listen {call} -o call.wav{data}"));
    }
    hints.push(format!("stream: sidetone tail{data}"));
    hints
}

/// Breaks a command that is too wide, as a shell reads it.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().expect("one line at least");
        if last.is_empty() {
            last.push_str(word);
        } else if last.chars().count() + word.chars().count() + 3 <= columns {
            last.push(' ');
            last.push_str(word);
        } else {
            last.push_str(" \\");
            lines.push(format!("    {word}"));
        }
    }
    lines
}

/// Returns one call in one line, for output that cannot be redrawn.
pub(super) fn plain(now: Timestamp, call: &Call, footer: &Footer) -> String {
    let with_agent = with_agent(now, call);
    let line = format!(
        "{:<8}  {:<18}  {:<9}  {with_agent:>7}  {:<3}  {}",
        conversation(call),
        call.who(),
        call.doing().as_str(),
        call.direction().unwrap_or_default(),
        queue(call, footer),
    );
    line.trim_end().to_owned()
}

/// Returns the name of the call's queue, or the first digits of its id.
fn queue(call: &Call, footer: &Footer) -> String {
    let Some(id) = call.queue() else { return String::new() };
    footer.queues.get(id).cloned().unwrap_or_else(|| id.chars().take(8).collect())
}

fn with_agent(now: Timestamp, call: &Call) -> String {
    let time = call.with_agent(now).map(|time| Position::ZERO.plus(time));
    time.map_or_else(|| "-".to_owned(), |time| media_time(time, false))
}

/// Returns the short conversation, as far as it is known.
pub(super) fn conversation(call: &Call) -> String {
    call.status.engine.key.map_or_else(|| "-".to_owned(), |key| short(key.conversation))
}

/// Columns of the table that are treated apart from the others.
const AGENT: usize = 1;
const QUEUE: usize = 2;
const DIRECTION: usize = 3;
const WITH_AGENT: usize = 5;
/// Terminals narrower than this do without queue and direction.
const WIDE: u16 = 70;
/// How much of a queue's name is shown.
const QUEUE_CHARS_MAX: usize = 18;

fn table(now: Timestamp, calls: &[&Call], footer: &Footer, canvas: Canvas) -> Vec<String> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).force_no_tty();
    if canvas.colour {
        table.enforce_styling();
    }
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(canvas.columns);
    let headings = ["CALL", "AGENT", "QUEUE", "WAY", "TALKING", "WITH AGENT"];
    let mut heading =
        Row::from(headings.map(|text| Cell::new(text).add_attribute(Attribute::Bold)).to_vec());
    heading.max_height(1);
    table.set_header(heading);
    for call in calls {
        table.add_row(row(now, call, footer));
    }
    for (place, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if place == WITH_AGENT {
            column.set_cell_alignment(CellAlignment::Right);
        }
        // What room there is goes to the agent; half a time or half an id says nothing.
        if canvas.columns < WIDE && [QUEUE, DIRECTION].contains(&place) {
            column.set_constraint(ColumnConstraint::Hidden);
        } else if place != AGENT {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}

fn row(now: Timestamp, call: &Call, footer: &Footer) -> Row {
    let doing = call.doing();
    let who = Cell::new(printable(&call.who()));
    let who = if call.is_matched() { who.fg(Color::Green) } else { who.fg(Color::Yellow) };
    let now_doing = match doing {
        Doing::Listening if call.is_matched() => Cell::new(call.speaker(now)).fg(Color::Green),
        Doing::OnHold => Cell::new(doing.as_str()).fg(Color::Yellow),
        Doing::Listening | Doing::Paused | Doing::Ended => Cell::new(doing.as_str()),
    };
    let queue: String = queue(call, footer).chars().take(QUEUE_CHARS_MAX).collect();
    let cells = [
        Cell::new(conversation(call)),
        who,
        Cell::new(printable(&queue)),
        Cell::new(call.direction().unwrap_or_default()),
        now_doing,
        Cell::new(with_agent(now, call)),
    ];
    let over = doing == Doing::Ended;
    let cells = cells.map(|cell| if over { cell.add_attribute(Attribute::Dim) } else { cell });
    let mut row = Row::from(cells.to_vec());
    row.max_height(1);
    row
}

/// Cuts a line to the canvas, so that it takes one row, and colours it.
fn paint(text: String, canvas: Canvas, colour: impl Fn(&str) -> String) -> String {
    let text = printable(&text);
    let cut: String = text.chars().take(usize::from(canvas.columns)).collect();
    if canvas.colour { colour(&cut) } else { cut }
}
