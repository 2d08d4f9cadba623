//! Logs: one JSON object a line on standard output, where CloudWatch collects it.

use std::panic::PanicHookInfo;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Crates that may quote whole events or bodies when they are told to say all: never let them.
const HUSHED: [&str; 3] = ["lambda_runtime", "lambda_runtime_api_client", "aws_smithy_http_client"];

/// What is logged where nobody says otherwise.
const DEFAULT_FILTER: LevelFilter = LevelFilter::INFO;

/// Starts logging with a filter such as `info` or `info,sidetone_tracking=debug`; one that
/// cannot be read is said so, and `info` is used.
///
/// A second call changes nothing.
pub fn start_log(filter: &str) {
    let (chosen, wrong) = match filter_of(filter) {
        Ok(chosen) => (chosen, None),
        Err(error) => (hushed(Targets::new().with_default(DEFAULT_FILTER)), Some(error)),
    };
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .with_writer(std::io::stdout)
        .with_target(false)
        .with_ansi(false)
        .with_span_list(false);
    let started = tracing_subscriber::registry().with(lines).with(chosen).try_init();
    // An error means that somebody else has started it already.
    if started.is_ok() {
        std::panic::set_hook(Box::new(log_panic));
    }
    if let Some(error) = wrong {
        tracing::error!(filter, %error, "SIDETONE_LOG should be a log filter such as \"info\"");
    }
}

/// Reads a filter; by targets alone, as one by fields brings every function a regex engine.
fn filter_of(text: &str) -> Result<Targets, ParseError> {
    text.parse().map(hushed)
}

fn hushed(filter: Targets) -> Targets {
    filter.with_targets(HUSHED.map(|target| (target, LevelFilter::INFO)))
}

/// Says where, not what: the message of a panic may quote what made it.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(place, "panicked");
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn whole_events_are_never_logged() {
        for text in ["trace", "lambda_runtime=trace,info"] {
            let filter = filter_of(text).unwrap();
            for target in HUSHED {
                assert!(!filter.would_enable(target, &Level::DEBUG), "{target} under {text}");
                assert!(filter.would_enable(target, &Level::INFO));
            }
        }
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_refused() {
        assert!(filter_of("sidetone=loud").is_err());
        let filter = filter_of("info,sidetone_tracking=debug").unwrap();
        assert!(filter.would_enable("sidetone_tracking::lease", &Level::DEBUG));
        assert!(!filter.would_enable("sidetone_users", &Level::DEBUG));
    }
}
