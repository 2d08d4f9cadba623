//! Logging: to standard error or elsewhere, as text for people or JSON for machines.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

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
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().try_init(),
    };
}
