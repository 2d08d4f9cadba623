//! All limits of one listener together.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use crate::backoff::{Backoff, Penalty};
use crate::connections::{Connection, Connections, Evicted};
use crate::sampler::{INTERVAL, Sampler};
use crate::source::{Source, SourceRules};

/// One part in this many of a source's connections may wait for a refusal, so that the others of
/// the same source get in.
const WAITING_SHARE: usize = 8;

/// What a listener takes on before a peer has proved anything.
#[derive(Debug, Clone)]
pub struct GuardLimits {
    /// The listener's name, for metrics and logs.
    pub listener: &'static str,
    /// Connections at once that are not authenticated.
    pub connections_max: usize,
    /// Those of one source.
    pub connections_per_source_max: usize,
    /// What is one source.
    pub sources: SourceRules,
    /// Failed authentications of a source that are answered without a further delay.
    pub failures_free: u32,
    /// The first delay after those; each further failure doubles it.
    pub delay_first: Duration,
    /// The longest delay.
    pub delay_longest: Duration,
}

/// The limits of one listener, at work.
#[derive(Debug)]
pub struct Guard {
    listener: &'static str,
    connections: Arc<Connections>,
    sources: SourceRules,
    backoff: Arc<Backoff>,
    sampler: Sampler,
}

impl Guard {
    /// Starts with nothing taken.
    pub fn new(limits: GuardLimits) -> Self {
        let GuardLimits { connections_max, connections_per_source_max, sources, .. } = limits;
        let waiting_max = connections_per_source_max.div_ceil(WAITING_SHARE);
        Self {
            listener: limits.listener,
            connections: Connections::new(connections_max, connections_per_source_max),
            sources,
            backoff: Backoff::new(
                limits.failures_free,
                limits.delay_first,
                limits.delay_longest,
                waiting_max,
            ),
            sampler: Sampler::default(),
        }
    }

    /// Takes in a connection that was accepted; nothing if it has to be closed at once.
    ///
    /// At a limit the connection that has sent no request for the longest time is closed in its
    /// favour, which is counted and logged.
    pub fn admit(&self, peer: IpAddr) -> Option<Connection> {
        let source = self.sources.of_peer(peer);
        let (connection, crowded) = self.connections.admit(source);
        if let Some(why) = crowded {
            self.note_crowded(why, peer);
        }
        connection
    }

    fn note_crowded(&self, why: Evicted, peer: IpAddr) {
        let (listener, limit) = (self.listener, why.label());
        metrics::counter!(
            "sidetone_connections_crowded_out_total", "listener" => listener, "limit" => limit
        )
        .increment(1);
        let event = match why {
            Evicted::Source => "connection limit of a source reached",
            Evicted::Listener => "connection limit of a listener reached",
        };
        if self.sampler.permit(event) {
            tracing::warn!(listener, limit, %peer, "connection limit reached, closing a connection");
        }
    }

    /// Returns the source of a request, for [`Guard::failed`].
    pub fn source(&self, peer: IpAddr, headers: &HeaderMap) -> Option<Source> {
        self.sources.of_request(peer, headers)
    }

    /// Counts a failed authentication; returns for how long its answer is held back, or nothing
    /// if the connection has to be closed without one, as too many of its source wait.
    pub fn failed(&self, source: Option<Source>) -> Option<Penalty> {
        let listener = self.listener;
        metrics::counter!("sidetone_authentications_failed_total", "listener" => listener)
            .increment(1);
        source.map_or(Some(Penalty::NONE), |source| self.backoff.failed(source))
    }

    /// Returns what decides whether a line is logged that outsiders can cause.
    pub const fn sampler(&self) -> &Sampler {
        &self.sampler
    }

    /// Logs how many lines were withheld, again and again; never ends.
    pub async fn report(&self) -> std::convert::Infallible {
        loop {
            tokio::time::sleep(INTERVAL / 2).await;
            self.sampler.report();
        }
    }
}
