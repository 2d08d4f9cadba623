//! Logging: to standard error or elsewhere, as text for people or JSON for machines.

use std::fmt::{self, Write as _};
use std::io::IsTerminal;

use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{FmtSpan, Writer, debug_fn};

/// How a line of log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people; coloured on a terminal.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging; `SIDETONE_LOG` may say more than `default`, as `RUST_LOG` would.
///
/// A second call changes nothing.
pub fn start_log(format: LogFormat, default: &str) {
    start_log_to(format, default, std::io::stderr, std::io::stderr().is_terminal());
}

/// Starts logging as [`start_log`] does, to a place of the caller's choice.
///
/// For whoever draws on the terminal and has to say where a line may go.
pub fn start_log_to<W>(format: LogFormat, default: &str, writer: W, colour: bool)
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = std::env::var("SIDETONE_LOG").unwrap_or_else(|_| default.to_owned());
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new(default));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_target(false)
        .with_span_events(FmtSpan::NONE)
        .with_ansi(colour);
    // An error means that somebody else has started it already.
    let _ = match format {
        LogFormat::Text => log.fmt_fields(debug_fn(write_field).delimited(" ")).try_init(),
        LogFormat::Json => log.json().try_init(),
    };
}

/// Writes a field as tracing does by default, but whatever it holds stays on its line.
fn write_field(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    let mut line = OneLine(writer);
    match field.name() {
        "message" => write!(line, "{value:?}"),
        name => write!(line, "{}={value:?}", name.strip_prefix("r#").unwrap_or(name)),
    }
}

/// Escapes what would begin a line of its own, or move the cursor of a terminal.
struct OneLine<'w, 'a>(&'w mut Writer<'a>);

impl fmt::Write for OneLine<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for part in text.split_inclusive(breaks_line) {
            let mut plain = part.chars();
            match plain.next_back().filter(|last| breaks_line(*last)) {
                Some(last) => write!(self.0, "{}{}", plain.as_str(), last.escape_unicode())?,
                None => self.0.write_str(part)?,
            }
        }
        Ok(())
    }
}

fn breaks_line(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    fn logged(lines: impl FnOnce()) -> String {
        let written = Arc::new(Mutex::new(Vec::new()));
        let writer = Arc::clone(&written);
        let log = tracing_subscriber::fmt()
            .with_writer(move || Shared(Arc::clone(&writer)))
            .without_time()
            .with_target(false)
            .with_ansi(false)
            .fmt_fields(debug_fn(write_field).delimited(" "));
        tracing::subscriber::with_default(log.finish(), lines);
        let written = written.lock().unwrap().clone();
        String::from_utf8(written).unwrap()
    }

    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn event_is_one_line_whatever_its_fields_hold() {
        let forged = "x\r\n2026-01-01T00:00:00Z ERROR forged\u{2028}\u{1b}[31m";
        let text = logged(|| {
            tracing::warn!(text = forged, display = %forged, debug = ?forged, "happened {forged}");
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.trim_end_matches('\n').contains(breaks_line), "{text:?}");
    }

    #[test]
    fn plain_event_looks_as_tracing_writes_it() {
        let text = logged(|| tracing::warn!(count = 3, name = "a \"b\"", id = %"c", "happened"));
        assert_eq!(text, " WARN happened count=3 name=\"a \\\"b\\\"\" id=c\n");
    }
}
