//! What the screen looks like, as a function of what is known. Prints nothing.

use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, Row, Table,
    presets,
};
use crossterm::style::Stylize;

use super::calls::{Call, Calls, Doing};
use super::words::{clock_time, media_time, short};
use crate::output::printable;

/// How large the screen is, and whether it has colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Canvas {
    pub(super) columns: u16,
    pub(super) rows: u16,
    pub(super) colour: bool,
}

/// What stands below the table.
#[derive(Debug, Clone, Default)]
pub(super) struct Footer {
    /// Where finished recordings lie.
    pub(super) recordings: String,
    /// ` --data DIR`, if that is not the default.
    pub(super) data_option: String,
    /// How call events come in.
    pub(super) platform: Option<String>,
}

/// Rows that are no calls: the heading, "more", a blank, three lines of footer, the cursor's.
const OTHER_ROWS: usize = 7;

/// Draws the table and what stands below it, one string a line, none wider than the canvas.
pub(super) fn draw(calls: &Calls, footer: &Footer, canvas: Canvas) -> Vec<String> {
    let room = usize::from(canvas.rows).saturating_sub(OTHER_ROWS);
    let first = calls.first(room);
    let mut lines = Vec::new();
    if !first.is_empty() {
        lines.extend(table(&first, canvas));
    }
    let more = calls.len() - first.len();
    if more > 0 {
        lines.push(paint(format!("+{more} more"), canvas, |text| text.dim().to_string()));
    }
    if !lines.is_empty() {
        lines.push(String::new());
    }
    lines.push(paint(counts(calls, footer), canvas, |text| text.bold().to_string()));
    if let Some(platform) = &footer.platform {
        lines.push(paint(platform.clone(), canvas, str::to_owned));
    }
    lines.push(paint(hint(calls, footer), canvas, |text| text.dim().to_string()));
    lines
}

/// Returns the counts in one line.
pub(super) fn counts(calls: &Calls, footer: &Footer) -> String {
    let counts = calls.counts();
    let mut text = format!(
        "{} live, {} ended; {} matched, {} unmatched; ",
        calls.live(),
        counts.ended,
        counts.matched,
        counts.unmatched,
    );
    match counts.probes {
        0 => {}
        1 => text += "1 probe; ",
        probes => text += &format!("{probes} probes; "),
    }
    match counts.recordings {
        1 => text += "1 recording",
        recordings => text += &format!("{recordings} recordings"),
    }
    if footer.recordings.is_empty() { text } else { format!("{text} in {}", footer.recordings) }
}

/// Returns how to look further.
pub(super) fn hint(calls: &Calls, footer: &Footer) -> String {
    let data = &footer.data_option;
    let key = calls.example().and_then(|call| call.status.engine.key);
    let conversation = key.map_or_else(|| "CONVERSATION".to_owned(), |key| short(key.conversation));
    format!(
        "look further: sidetone tail{data} | sidetone listen {conversation} -o call.wav{data} | \
         Ctrl-C ends"
    )
}

/// Returns one call in one line, for output that cannot be redrawn.
pub(super) fn plain(call: &Call) -> String {
    let position = media_time(call.status.engine.position, false);
    format!(
        "{:<8}  {:<24}  {:<9}  {position:>7}  {:>6} frames",
        conversation(call),
        call.who(),
        call.doing().as_str(),
        call.status.frames_committed,
    )
}

/// Returns the short conversation, as far as it is known.
pub(super) fn conversation(call: &Call) -> String {
    call.status.engine.key.map_or_else(|| "-".to_owned(), |key| short(key.conversation))
}

/// Columns of the table that are treated apart from the others.
const SINCE: usize = 0;
const AGENT: usize = 2;
const POSITION: usize = 4;
const IN_STREAM: usize = 5;
/// Terminals narrower than this do without [`IN_STREAM`].
const WIDE: u16 = 76;
/// Terminals narrower than this do without [`SINCE`] too.
const MEDIUM: u16 = 60;

fn table(calls: &[&Call], canvas: Canvas) -> Vec<String> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).force_no_tty();
    if canvas.colour {
        table.enforce_styling();
    }
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(canvas.columns);
    let headings = ["SINCE UTC", "CALL", "AGENT", "AUDIO", "POSITION", "IN STREAM"];
    let mut heading =
        Row::from(headings.map(|text| Cell::new(text).add_attribute(Attribute::Bold)).to_vec());
    heading.max_height(1);
    table.set_header(heading);
    for call in calls {
        table.add_row(row(call));
    }
    for (place, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if [POSITION, IN_STREAM].contains(&place) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let hidden = (place == IN_STREAM && canvas.columns < WIDE)
            || (place == SINCE && canvas.columns < MEDIUM);
        // What room there is goes to the agent; half a time or half an id says nothing.
        if hidden {
            column.set_constraint(ColumnConstraint::Hidden);
        } else if place != AGENT {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table.lines().collect()
}

fn row(call: &Call) -> Row {
    let engine = &call.status.engine;
    let (committed, accepted) = (call.status.frames_committed, engine.frames_accepted);
    let frames = if committed < accepted {
        format!("{committed} of {accepted}")
    } else {
        committed.to_string()
    };
    let doing = call.doing();
    let who = Cell::new(printable(&call.who()));
    let who = if call.is_matched() { who.fg(Color::Green) } else { who.fg(Color::Yellow) };
    let audio = Cell::new(doing.as_str());
    let audio = match doing {
        Doing::Listening => audio.fg(Color::Green),
        Doing::OnHold => audio.fg(Color::Yellow),
        Doing::Paused | Doing::Ended => audio,
    };
    let cells = [
        Cell::new(clock_time(call.since, false)),
        Cell::new(conversation(call)),
        who,
        audio,
        Cell::new(media_time(engine.position, false)),
        Cell::new(frames),
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
