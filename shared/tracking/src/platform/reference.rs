//! Genesys' time, as its answers date themselves: the reference of this process's clock.
//!
//! Refuses: setting the machine's clock; trusting a time that nobody signed for by TLS.

use std::time::Duration;

use http::HeaderMap;
use http::header::DATE;
use sidetone_model::Timestamp;
use sidetone_ports::{Clock, chain};
use tokio_util::sync::CancellationToken;

use super::client::http_client;
use super::error::PlatformError;
use super::hosts::Hosts;

/// How often Genesys is asked for its time while the clock is right.
const ASK_EVERY: Duration = Duration::from_secs(60);

/// How often it is asked while the clock is off. Not a whole number of seconds: dates are cut to
/// the second, and bound the difference closer if they are asked for in different parts of it.
const ASK_WHILE_OFF: Duration = Duration::from_millis(5_300);

/// How far apart the questions after a start or a step are, for the same reason.
const ASK_AFTER_STEP: Duration = Duration::from_millis(390);

/// How many those are.
const ASKED_AFTER_STEP: u32 = 8;

/// How long one answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Notes the date of an answer to what was asked at `asked_at`, in steady time.
pub(super) fn note_date(clock: &Clock, asked_at: Timestamp, headers: &HeaderMap) {
    let date = headers.get(DATE).and_then(|date| date.to_str().ok());
    if let Some(date) = date.and_then(Timestamp::from_http_date) {
        clock.observe(date, asked_at, clock.steady());
    }
}

/// Keeps a process's clock in step with Genesys' until told to stop.
///
/// Asks the region's login host, which needs no credentials, when it starts, after each step
/// of the clock, and now and then.
///
/// Errors: [`PlatformError`] if there can be no client for HTTP.
pub async fn follow_genesys_time(
    hosts: Hosts,
    clock: Clock,
    stop: CancellationToken,
) -> Result<(), PlatformError> {
    let http = http_client(&hosts)?;
    let asking = async {
        loop {
            for _ in 0..ASKED_AFTER_STEP {
                ask(&http, &hosts, &clock).await;
                clock.sleep(ASK_AFTER_STEP).await;
            }
            loop {
                let every = if clock.skew().is_some() { ASK_WHILE_OFF } else { ASK_EVERY };
                tokio::select! {
                    () = clock.stepped() => break,
                    () = clock.sleep(every) => ask(&http, &hosts, &clock).await,
                }
            }
        }
    };
    stop.run_until_cancelled(asking).await;
    Ok(())
}

async fn ask(http: &reqwest::Client, hosts: &Hosts, clock: &Clock) {
    let asked_at = clock.steady();
    let request = http.head(hosts.login()).send();
    match clock.timeout(ANSWER_WITHIN, request).await {
        Some(Ok(response)) => note_date(clock, asked_at, response.headers()),
        Some(Err(error)) => {
            let error = error.without_url();
            tracing::debug!(error = chain(&error), host = hosts.login(), "Genesys' time not read");
        }
        None => tracing::debug!(host = hosts.login(), "Genesys' time not read: no answer in time"),
    }
}
