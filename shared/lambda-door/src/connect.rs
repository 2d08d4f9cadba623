//! `$connect`: who may come in by API Gateway, and what the others are told.
//!
//! Judged as at every door, against the one public URL of this one: events do not say what was
//! requested. The nonce is in the memory of all doors, and the connection's state in its store,
//! before the client learns that it is in; nothing can be said to it earlier anyway.
//! Source: docs/wire/audiohook.md, "Answers to the upgrade".

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use http::HeaderMap;
use sidetone_admission::{
    AdmissionConfig, Admitted, Arrival, Authenticator, PublicUrl, Verdict, claimed_organization,
    note_refused_for,
};
use sidetone_audiohook_proto::{Handshake, REFUSAL_BODY, REFUSAL_DELAY, Refusal};
use sidetone_driver::ask_shared;
use sidetone_model::{ConnectionId, OrganizationId, Outside, Timestamp};
use sidetone_ports::{Clock, Freshness, NonceStore, SecretSource, chain};

/// How long the shared nonce memory may take. With the look-up of a key and [`ADMIT_WITHIN`] it
/// stays below the 5 s that the integration waits.
const NONCE_WITHIN: Duration = Duration::from_millis(1_000);

/// How long it may take to write the connection's state.
const ADMIT_WITHIN: Duration = Duration::from_millis(1_500);

/// Why a URL with a query is refused.
const QUERY_STRING: &str = "query_string";

/// A handshake as API Gateway tells of it.
#[derive(Debug, Clone)]
pub struct ConnectRequest {
    /// What API Gateway calls the connection.
    pub connection: ConnectionId,
    /// All headers, each with all its values.
    pub headers: HeaderMap,
    /// Whether there was a query string.
    pub has_query: bool,
    /// When API Gateway received it, if the event says so.
    pub received_at: Option<Timestamp>,
    /// Where it came from, for the log.
    pub peer: String,
}

/// What API Gateway is to answer the handshake with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectAnswer {
    /// 200 lets the client in; anything else is the status of its refusal.
    pub status: u16,
    /// What a refusal says; it never says why.
    pub body: Option<&'static str>,
}

impl ConnectAnswer {
    /// Lets the client in.
    pub const ACCEPTED: Self = Self { status: 200, body: None };
    /// The same for every cause.
    pub const REFUSED: Self = Self { status: 401, body: Some(REFUSAL_BODY) };
    /// The key alone lets in, but an id is missing or malformed.
    pub const MALFORMED: Self = Self { status: 400, body: None };
    /// It cannot be found out, or its state cannot be kept.
    pub const UNAVAILABLE: Self = Self { status: 503, body: None };
}

/// Answers handshakes.
#[derive(Debug)]
pub struct Connector<S, K> {
    path: String,
    authenticator: Authenticator<K>,
    nonces: S,
}

impl<S: NonceStore, K: SecretSource> Connector<S, K> {
    /// Makes one for clients that were given a certain URL.
    ///
    /// Of `config`, the parts about proxies are not used: the URL says it all.
    pub fn new(url: &PublicUrl, config: AdmissionConfig, nonces: S, keys: K) -> Self {
        let config = AdmissionConfig {
            public_authority: Some(url.authority().to_owned()),
            public_path_prefix: None,
            ..config
        };
        let authenticator = Authenticator::new(config, keys);
        Self { path: url.path().to_owned(), authenticator, nonces }
    }

    fn note(&self, refusal: Refusal, request: &ConnectRequest) {
        self.authenticator.note_refused(refusal, &request.headers, &request.peer, true);
    }

    /// Answers one handshake, in the time of its own invocation.
    ///
    /// `admit` creates the state of a connection that may come in. `note` keeps that a handshake
    /// in an organization's name was refused, and why; it has as long as every refusal takes.
    pub async fn answer<F, E, N>(
        &self,
        clock: &Clock,
        request: &ConnectRequest,
        admit: impl FnOnce(ConnectionId, Handshake) -> F,
        note: impl FnOnce(OrganizationId, &'static str) -> N,
    ) -> ConnectAnswer
    where
        F: Future<Output = Result<(), E>>,
        E: Error,
        N: Future<Output = ()>,
    {
        // By this clock, not the event's: the two may differ, and a refusal must not show it.
        let began_at = clock.steady();
        let refuse = async |reason| {
            let claimed = claimed_organization(&request.headers);
            let noting = async {
                if let Some(organization) = claimed {
                    note(organization, reason).await;
                }
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = clock.sleep_until(began_at + REFUSAL_DELAY) => {}
                () = noting => {}
            }
            ConnectAnswer::REFUSED
        };
        if request.has_query {
            let cause = "the URL has a query string, whose order no event tells: \
                         give Genesys the URL without it";
            note_refused_for(QUERY_STRING, &cause, &request.headers, &request.peer, true);
            return refuse(QUERY_STRING).await;
        }
        let arrival = Arrival {
            target: &self.path,
            headers: &request.headers,
            at: request.received_at.unwrap_or(began_at),
        };
        // Boxed, as with a source of keys behind it the future is too deep for the compiler.
        match Box::pin(self.authenticator.judge(clock, arrival)).await {
            Verdict::Refused(refusal) => {
                self.note(refusal, request);
                refuse(refusal.label()).await
            }
            Verdict::Malformed(refusal) => {
                self.note(refusal, request);
                ConnectAnswer::MALFORMED
            }
            Verdict::Undecided(handshake) => {
                let cause = "api keys cannot be looked up";
                turned_away("unavailable", request, &handshake, cause)
            }
            Verdict::Admitted(admitted) => {
                if self.is_replay(clock, &admitted).await {
                    self.note(Refusal::NonceRepeated, request);
                    return refuse(Refusal::NonceRepeated.label()).await;
                }
                let_in(clock, request, admitted, admit).await
            }
        }
    }

    async fn is_replay(&self, clock: &Clock, admitted: &Admitted) -> bool {
        let Some(nonce) = &admitted.nonce else { return false };
        ask_shared(&self.nonces, clock, nonce, NONCE_WITHIN).await == Freshness::Seen
    }
}

async fn let_in<F, E>(
    clock: &Clock,
    request: &ConnectRequest,
    admitted: Admitted,
    admit: impl FnOnce(ConnectionId, Handshake) -> F,
) -> ConnectAnswer
where
    F: Future<Output = Result<(), E>>,
    E: Error,
{
    let Admitted { handshake, nonce: _, correlation, attempt } = admitted;
    let creating = admit(request.connection.clone(), handshake);
    match clock.timeout(ADMIT_WITHIN, creating).await {
        Some(Ok(())) => {
            tracing::info!(
                session = %handshake.session_id.session_id(),
                connection = %request.connection,
                organization = %handshake.organization,
                correlation = correlation.as_deref().map(Outside::id),
                attempt,
                "session begins"
            );
            ConnectAnswer::ACCEPTED
        }
        Some(Err(error)) => turned_away("state", request, &handshake, &chain(&error)),
        None => turned_away("state", request, &handshake, "no answer in time"),
    }
}

/// Notes a client that may come in, or might, and cannot be served.
fn turned_away(
    label: &'static str,
    request: &ConnectRequest,
    handshake: &Handshake,
    cause: &str,
) -> ConnectAnswer {
    metrics::counter!("sidetone_turnaways_total", "reason" => label).increment(1);
    tracing::error!(
        session = %handshake.session_id.session_id(),
        connection = %request.connection,
        organization = %handshake.organization,
        why = label,
        "handshake cannot be served: {cause}"
    );
    ConnectAnswer::UNAVAILABLE
}

#[cfg(test)]
mod tests;
