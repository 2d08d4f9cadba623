//! The one place where anything is printed: results to standard output, everything else to
//! standard error, in colour only for people.
//!
//! Refuses: losing a result in silence. The one exception is a reader that has left, as `head`
//! does; the command then ends as if it were done.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, BufRead, BufWriter, IsTerminal, Write};
use std::process::{Child, Command, Stdio};

use crossterm::style::Stylize;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use serde_json::json;

use sidetone_user_file::{RowError, RowErrors, visible};
use tokio::signal::unix::{Signal, SignalKind, signal};

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
    pager: Option<Pager>,
}

/// A program that shows results page by page, and what is to be noted once it has ended.
struct Pager {
    child: Child,
    notes: Vec<String>,
    /// While it is open, Ctrl-C is the pager's and does not end this process before it.
    _interrupts: Option<Signal>,
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
        Self { results: Box::new(results), notes: Box::new(notes), looks, pager: None }
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
        if self.looks.json {
            return;
        }
        if let Some(pager) = &mut self.pager {
            pager.notes.push(note.to_string());
            return;
        }
        // Nobody can be told that nobody can be told.
        let _ = writeln!(self.notes, "{note}");
    }

    /// Shows the results that follow page by page, if a person looks on: by the program that
    /// `PAGER` names, else by `less` where there is one.
    ///
    /// Must be called where signals can be received.
    pub fn page(&mut self) {
        if !self.looks.terminal || self.looks.json || self.pager.is_some() {
            return;
        }
        let Some(program) = pager_program() else { return };
        let mut command = Command::new("sh");
        command.args(["-c", &program]).stdin(Stdio::piped());
        if std::env::var_os("LESS").is_none() {
            // Short results are printed as they are, and stay on the screen.
            command.env("LESS", "FRX");
        }
        let Ok(mut child) = command.spawn() else { return };
        let Some(input) = child.stdin.take() else { return };
        self.results = Box::new(BufWriter::new(input));
        let interrupts = signal(SignalKind::interrupt()).ok();
        self.pager = Some(Pager { child, notes: Vec::new(), _interrupts: interrupts });
    }

    /// Asks a person to type something before harm is done; absent if no person can be asked.
    pub fn confirms(&mut self, question: impl Display, expected: &str) -> Option<bool> {
        let can_ask = self.looks.error_terminal && !self.looks.json && io::stdin().is_terminal();
        can_ask.then(|| self.is_answered(question, expected, &mut io::stdin().lock()))
    }

    fn is_answered(
        &mut self,
        question: impl Display,
        expected: &str,
        answers: &mut dyn BufRead,
    ) -> bool {
        let _ = write!(self.notes, "{question}: ");
        let _ = self.notes.flush();
        let mut answer = String::new();
        answers.read_line(&mut answer).is_ok() && answer.trim() == expected
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
        if let Some(rows) = failure.bad_rows() {
            text += &rows_text(rows);
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
    if let Some(errors) = failure.bad_rows() {
        value["rows"] = errors.first.iter().map(row_json).collect();
        let totals = errors.totals.iter().map(|((field, kind), count)| {
            json!({ "field": field, "kind": kind.as_str(), "count": count })
        });
        value["totals"] = totals.collect();
        value["bad_rows"] = errors.bad_rows.into();
    }
    format!("{value}\n")
}

/// How many faults of a file are shown one by one; more are counted by kind.
const ROWS_SHOWN: usize = 20;

fn rows_text(errors: &RowErrors) -> String {
    let mut text = String::new();
    for row in errors.first.iter().take(ROWS_SHOWN) {
        text += &format!("{}\n", printable(&row.shown()));
    }
    if errors.faults() > ROWS_SHOWN {
        text += &format!("… and {} more faults. All of them:\n", errors.faults() - ROWS_SHOWN);
        for ((field, kind), count) in &errors.totals {
            text += &format!("  {count:>6}  {field}: {}\n", kind.as_str());
        }
    }
    text
}

fn row_json(row: &RowError) -> serde_json::Value {
    json!({
        "row": row.row,
        "column": row.column,
        "field": row.field,
        "value": row.value,
        "person": row.person,
        "reason": row.reason,
    })
}

/// Returns the program that shows pages; nothing if there is none, or `PAGER` is empty.
fn pager_program() -> Option<String> {
    if let Ok(named) = std::env::var("PAGER") {
        return Some(named).filter(|named| !named.trim().is_empty() && named.trim() != "cat");
    }
    let path = std::env::var_os("PATH")?;
    let exists = std::env::split_paths(&path).any(|folder| folder.join("less").is_file());
    exists.then(|| "less".to_owned())
}

impl Drop for Output<'_> {
    fn drop(&mut self) {
        let _ = self.results.flush();
        if let Some(mut pager) = self.pager.take() {
            // Its input ends with the writer; then it is left when its reader leaves it.
            self.results = Box::new(io::sink());
            let _ = pager.child.wait();
            for note in pager.notes {
                let _ = writeln!(self.notes, "{note}");
            }
        }
    }
}

fn unwritten(error: io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        Failure::nobody_reads()
    } else {
        Failure::fault("cannot write the output").because(error)
    }
}

/// Returns a text that can do a terminal no harm and shows all it has: names and reasons come from
/// outside, a control character in one could move the cursor, and an unseen one would hide.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let text = visible(text);
    if text.chars().any(char::is_control) {
        text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use sidetone_user_file::{FileError, ReadOptions, read};

    use super::*;

    fn told(failure: &Failure, looks: Looks) -> String {
        let mut notes = Vec::new();
        Output::new(io::sink(), &mut notes, looks).failure(failure);
        String::from_utf8(notes).unwrap()
    }

    fn sample() -> Failure {
        let file = "name,email\nAda,ada@a.example\n,bo@a.example\n";
        let error = read(file.as_bytes(), &ReadOptions::default()).unwrap_err();
        let FileError::Rows(errors) = error else { panic!("{error:?}") };
        Failure::bad_input("1 bad row")
            .because(io::Error::other("odd\u{1b}[2J"))
            .hint("mend it")
            .rows(errors)
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
    fn twenty_faults_are_shown_and_more_are_counted_by_kind() {
        let rows: String = (0..30).map(|n| format!("Otto,o{n}@a.example,nortel\n")).collect();
        let file = format!("name,email,adaptor\n{rows},p\u{200b}ia@a.example,avaya\n");
        let error = read(file.as_bytes(), &ReadOptions::default()).unwrap_err();
        let FileError::Rows(errors) = error else { panic!("{error:?}") };
        let text = told(&Failure::bad_input("bad").rows(errors.clone()), Looks::default());
        assert_eq!(text.lines().filter(|line| line.starts_with("row ")).count(), 20);
        assert!(text.contains("row 2 (Otto), adaptor: \"nortel\" is none of"), "{text}");
        assert!(text.contains("… and 12 more faults"), "{text}");
        assert!(text.contains("      30  adaptor: unknown value"), "{text}");
        let json =
            told(&Failure::bad_input("bad").rows(errors), Looks { json: true, ..Looks::default() });
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(
            (&value["bad_rows"], &value["rows"][0]["value"]),
            (&31.into(), &"nortel".into())
        );
    }

    #[test]
    fn a_character_that_cannot_be_seen_is_shown() {
        assert_eq!(printable("zoe\u{200b}@a\u{a0}b"), "zoe<U+200B>@a<U+00A0>b");
        assert_eq!(
            printable("Zo\u{eb} \u{645}\u{6cc}\u{200c}\u{62e}"),
            "Zo\u{eb} \u{645}\u{6cc}\u{200c}\u{62e}"
        );
    }

    #[test]
    fn only_the_expected_answer_confirms() {
        for (answer, confirms) in [("4998\n", true), (" 4998", true), ("yes\n", false), ("", false)]
        {
            let mut notes = Vec::new();
            let mut output = Output::new(io::sink(), &mut notes, Looks::default());
            assert_eq!(output.is_answered("type 4998", "4998", &mut answer.as_bytes()), confirms);
            assert_eq!(output.confirms("type 4998", "4998"), None, "no person can be asked");
        }
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
