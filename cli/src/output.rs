//! The one place where anything is printed: results to standard output, everything else to
//! standard error, in colour only for people.
//!
//! Refuses: losing a result in silence. The one exception is a reader that has left, as `head`
//! does; the command then ends as if it were done.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, Write};

use crossterm::style::Stylize;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use serde_json::json;

use crate::failure::Failure;

/// How output looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Looks {
    /// Results and errors are JSON.
    pub json: bool,
    /// Standard output is a terminal.
    pub terminal: bool,
    /// Colours on standard output.
    pub colour: bool,
    /// Standard error is a terminal.
    pub error_terminal: bool,
    /// Colours on standard error.
    pub error_colour: bool,
}

impl Looks {
    /// Looks at this process's terminals and environment.
    pub fn of_process(json: bool) -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let plain = set("NO_COLOR") || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let (terminal, error_terminal) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        Self {
            json,
            terminal,
            colour: terminal && !plain && !json,
            error_terminal,
            error_colour: error_terminal && !plain && !json,
        }
    }
}

/// Where a command prints.
pub struct Output<'w> {
    results: Box<dyn Write + Send + 'w>,
    notes: Box<dyn Write + Send + 'w>,
    looks: Looks,
}

impl Output<'static> {
    /// Prints to this process's own output.
    pub fn of_process(json: bool) -> Self {
        Self::new(BufWriter::new(io::stdout()), io::stderr(), Looks::of_process(json))
    }
}

impl<'w> Output<'w> {
    /// Prints to any two writers.
    pub fn new(
        results: impl Write + Send + 'w,
        notes: impl Write + Send + 'w,
        looks: Looks,
    ) -> Self {
        Self { results: Box::new(results), notes: Box::new(notes), looks }
    }

    /// Returns how output looks.
    pub const fn looks(&self) -> Looks {
        self.looks
    }

    /// Returns whether results are JSON.
    pub const fn is_json(&self) -> bool {
        self.looks.json
    }

    /// Prints one line of results.
    ///
    /// Errors: [`Failure::nobody_reads`] if the reader has left.
    pub fn line(&mut self, line: impl Display) -> Result<(), Failure> {
        writeln!(self.results, "{line}").map_err(unwritten)
    }

    /// Prints one JSON value on a line of its own.
    pub fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value).map_err(|error| unwritten(error.into()))?;
        self.line(text)
    }

    /// Returns the writer of results, for those who bring bytes.
    pub fn results(&mut self) -> &mut (dyn Write + Send + 'w) {
        &mut *self.results
    }

    /// Has everything printed so far reach its reader.
    pub fn flush(&mut self) -> Result<(), Failure> {
        self.results.flush().map_err(unwritten)
    }

    /// Tells a person something beside the results; nothing with JSON.
    pub fn note(&mut self, note: impl Display) {
        if !self.looks.json {
            // Nobody can be told that nobody can be told.
            let _ = writeln!(self.notes, "{note}");
        }
    }

    /// Starts to show progress of long work, if a person looks on.
    pub fn progress(&self, what: &'static str) -> ProgressBar {
        if !self.looks.error_terminal || self.looks.json {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template("{msg} {wide_bar} {percent:>3} %")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let target = ProgressDrawTarget::stderr();
        ProgressBar::with_draw_target(Some(0), target).with_style(style).with_message(what)
    }

    /// Tells why a command did not do what it was asked.
    pub fn failure(&mut self, failure: &Failure) {
        if failure.is_silent() {
            return;
        }
        let text = if self.looks.json { failure_json(failure) } else { self.failure_text(failure) };
        let _ = self.results.flush();
        let _ = self.notes.write_all(text.as_bytes());
        let _ = self.notes.flush();
    }

    fn failure_text(&self, failure: &Failure) -> String {
        let colour = self.looks.error_colour;
        let label = |text: &str| if colour { text.red().bold().to_string() } else { text.into() };
        let mut text = String::new();
        for row in failure.bad_rows() {
            text += &format!("{}\n", printable(&row.to_string()));
        }
        text += &format!("{} {}\n", label("error:"), printable(&failure.to_string()));
        for cause in failure.causes() {
            for line in cause.lines() {
                text += &format!("  because: {}\n", printable(line));
            }
        }
        if let Some(hint) = failure.next_step() {
            let label = if colour { "hint:".cyan().bold().to_string() } else { "hint:".into() };
            text += &format!("{label} {}\n", printable(hint));
        }
        text
    }
}

impl std::fmt::Debug for Output<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output").field("looks", &self.looks).finish_non_exhaustive()
    }
}

fn failure_json(failure: &Failure) -> String {
    let mut value = json!({
        "error": failure.to_string(),
        "causes": failure.causes(),
        "exit": failure.exit() as u8,
    });
    if let Some(hint) = failure.next_step() {
        value["hint"] = hint.into();
    }
    if !failure.bad_rows().is_empty() {
        let rows = failure.bad_rows().iter();
        value["rows"] = rows
            .map(|row| json!({ "row": row.row, "column": row.column, "reason": row.reason }))
            .collect();
    }
    format!("{value}\n")
}

fn unwritten(error: io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        Failure::nobody_reads()
    } else {
        Failure::fault("cannot write the output").because(error)
    }
}

/// Returns a text that can do a terminal no harm: names and reasons come from outside, and a
/// control character in one could move the cursor or worse.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().any(char::is_control) {
        text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use sidetone_user_file::RowError;

    use super::*;

    fn told(failure: &Failure, looks: Looks) -> String {
        let mut notes = Vec::new();
        Output::new(io::sink(), &mut notes, looks).failure(failure);
        String::from_utf8(notes).unwrap()
    }

    fn sample() -> Failure {
        let row = RowError { row: 3, column: "name".into(), reason: "is empty".into() };
        Failure::bad_input("1 bad row")
            .because(io::Error::other("odd\u{1b}[2J"))
            .hint("mend it")
            .rows(vec![row])
    }

    #[test]
    fn a_failure_says_what_why_and_what_to_do() {
        let text =
            "row 3, name: is empty\nerror: 1 bad row\n  because: odd\u{fffd}[2J\nhint: mend it\n";
        assert_eq!(told(&sample(), Looks::default()), text);
        let coloured = told(&sample(), Looks { error_colour: true, ..Looks::default() });
        assert!(coloured.contains("\u{1b}["), "{coloured}");
    }

    #[test]
    fn a_failure_in_json_is_one_object() {
        let text = told(&sample(), Looks { json: true, ..Looks::default() });
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["error"], "1 bad row");
        assert_eq!(value["exit"], 2);
        assert_eq!(value["rows"][0]["column"], "name");
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn a_reader_that_left_is_told_nothing() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let failure = Output::new(Gone, io::sink(), Looks::default()).line("x").unwrap_err();
        assert!(failure.is_silent());
        assert_eq!(told(&failure, Looks::default()), "");
    }
}
