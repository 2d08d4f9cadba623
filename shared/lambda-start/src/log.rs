//! Logs: one JSON object a line on standard output, where CloudWatch collects it.

use std::panic::PanicHookInfo;

use tracing_subscriber::EnvFilter;

/// Crates that may quote whole events or bodies when they are told to say all: never let them.
const HUSHED: &[&str] =
    &["lambda_runtime=info", "lambda_runtime_api_client=info", "aws_smithy_http_client=info"];

/// What is logged where nobody says otherwise.
const DEFAULT_FILTER: &str = "info";

/// Starts logging with a filter such as `info` or `info,sidetone_tracking=debug`; one that
/// cannot be read is said so, and `info` is used.
///
/// A second call changes nothing.
pub fn start_log(filter: &str) {
    let (chosen, wrong) = match filter_of(filter) {
        Ok(chosen) => (chosen, None),
        Err(error) => (filter_of(DEFAULT_FILTER).unwrap_or_default(), Some(error)),
    };
    let started = tracing_subscriber::fmt()
        .json()
        .with_env_filter(chosen)
        .with_writer(std::io::stdout)
        .with_target(false)
        .with_ansi(false)
        .with_span_list(false)
        .try_init();
    // An error means that somebody else has started it already.
    if started.is_ok() {
        std::panic::set_hook(Box::new(log_panic));
    }
    if let Some(error) = wrong {
        tracing::error!(filter, %error, "SIDETONE_LOG should be a log filter such as \"info\"");
    }
}

fn filter_of(text: &str) -> Result<EnvFilter, tracing_subscriber::filter::ParseError> {
    let mut filter = EnvFilter::builder().parse(text)?;
    for hush in HUSHED {
        filter = filter.add_directive(hush.parse()?);
    }
    Ok(filter)
}

/// Says where, not what: the message of a panic may quote what made it.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(place, "panicked");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_events_are_never_logged() {
        let filter = filter_of("trace").unwrap().to_string();
        assert!(filter.contains("trace") && filter.contains("lambda_runtime=info"), "{filter}");
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_refused() {
        assert!(filter_of("sidetone=loud").is_err());
        assert!(filter_of("info,sidetone_tracking=debug").is_ok());
    }
}
