//! Takes a lease, works under it, passes it on.
//!
//! ```text
//! acquire ── renew ── renew ── offer ── offer ── handed over ── overlap ── leave
//!    │          └── lost: stop at once            (or the end of the hold: leave, release)
//!    └── another renews it: return
//! ```
//!
//! Refuses: knowing what is done under the lease.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use sidetone_model::Timestamp;
use sidetone_ports::{Clock, Fence, Granted, LeaseStore, Renewal, StoreError, chain, claim};
use tokio_util::sync::CancellationToken;

use super::tenure::Tenure;
use super::terms::Terms;

/// How soon a renewal that failed is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// What came of a try to hold a lease.
#[derive(Debug)]
pub struct Stay<E> {
    /// Under which fence it was held; nothing if it was not.
    pub fence: Option<Fence>,
    /// How it ended.
    pub departure: Departure<E>,
}

/// How a stay ended.
#[derive(Debug)]
pub enum Departure<E> {
    /// It never began: another holds the lease.
    Taken,
    /// It never began: the store could not say whose the lease is.
    Unavailable(StoreError),
    /// Another took the lease when it was offered, and listened before this one left.
    HandedOver,
    /// Nobody came for it in time; it was given back.
    Expired,
    /// It could not be renewed, so everything was stopped at once.
    Lost,
    /// It was told to stop, left in order and gave the lease back.
    Stopped,
    /// The work ended by itself.
    Ended(Result<(), E>),
}

impl<E> Departure<E> {
    /// Returns one word for logs and outcomes.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Unavailable(_) => "unavailable",
            Self::HandedOver => "handed-over",
            Self::Expired => "expired",
            Self::Lost => "lost",
            Self::Stopped => "stopped",
            Self::Ended(Ok(())) => "ended",
            Self::Ended(Err(_)) => "failed",
        }
    }
}

impl<E> fmt::Display for Departure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Holds a lease for a while.
#[derive(Debug, Clone)]
pub struct Holding<L> {
    leases: L,
    clock: Clock,
    terms: Terms,
}

/// Why the work is to stop.
enum Order {
    HandedOver,
    Expired,
    Lost,
    Stopped,
}

impl<L: LeaseStore> Holding<L> {
    /// Prepares; asks nothing.
    pub const fn new(leases: L, clock: Clock, terms: Terms) -> Self {
        Self { leases, clock, terms }
    }

    /// Takes the lease if it is to be had, and works under it until its time is over, it is
    /// handed over or lost, or `stop`. Returns as soon as another is seen to renew it, which
    /// takes a part of its life; the time of the stay runs from the call.
    ///
    /// The work must end when its tenure's stop is told; what takes longer than
    /// [`Terms::leave_within`] is dropped.
    pub async fn keep<W, F, E>(self, stop: CancellationToken, work: W) -> Stay<E>
    where
        W: FnOnce(Tenure) -> F,
        F: Future<Output = Result<(), E>>,
    {
        let begun_at = self.clock.steady();
        let (lease, holder, life) = (&self.terms.lease, &self.terms.holder, self.terms.renew_ahead);
        let claimed = tokio::select! {
            claimed = claim(&self.leases, &self.clock, lease, holder, life) => claimed,
            () = stop.cancelled() => return Stay { fence: None, departure: Departure::Stopped },
        };
        let Granted { fence, since } = match claimed {
            Ok(Some(granted)) => granted,
            Ok(None) => return Stay { fence: None, departure: Departure::Taken },
            Err(error) => {
                return Stay { fence: None, departure: Departure::Unavailable(error) };
            }
        };
        tracing::info!(lease, fence, "lease taken");
        let tenure = Tenure::undisputed(CancellationToken::new());
        // Told if this future is dropped, so that nothing goes on without its lease.
        let _stop_all = tenure.stop().clone().drop_guard();
        let mut work = pin!(work(tenure.clone()));
        let order = tokio::select! {
            ended = &mut work => {
                self.release(fence).await;
                return Stay { fence: Some(fence), departure: Departure::Ended(ended) };
            }
            order = self.govern(&tenure, fence, begun_at, since) => order,
            () = stop.cancelled() => Order::Stopped,
        };
        let departure = self.leave(order, &tenure, fence, work).await;
        tracing::info!(lease, fence, %departure, "lease left");
        metrics::counter!("sidetone_tracker_stays_total", "departure" => departure.as_str())
            .increment(1);
        Stay { fence: Some(fence), departure }
    }

    /// Renews and offers until there is a reason to stop; after a hand-over that is at the
    /// end of the overlap.
    async fn govern(
        &self,
        tenure: &Tenure,
        fence: Fence,
        begun_at: Timestamp,
        since: Timestamp,
    ) -> Order {
        let mut until = since + self.terms.renew_ahead;
        let ends_at = begun_at + self.terms.hold;
        let offer_at = ends_at - self.terms.offer_before;
        let mut renew_at = since + self.terms.renew_every;
        loop {
            self.clock.sleep_until(renew_at.min(ends_at)).await;
            let now = self.clock.steady();
            if now >= ends_at {
                return Order::Expired;
            }
            let next = now + self.terms.renew_ahead;
            // Where the store does not answer, others find the lease silent all the same.
            let left = until.since(now);
            let renewal = self.clock.timeout(left, self.renew(fence, now >= offer_at)).await;
            let renewed = renewal.unwrap_or_else(|| {
                Err(StoreError::unavailable("renew a lease", "it took too long"))
            });
            count(&renewed);
            match renewed {
                Ok(Renewal::Held) => {
                    until = next;
                    renew_at = now + self.terms.renew_every;
                }
                Ok(Renewal::HandedOver) => {
                    tracing::info!(lease = self.terms.lease, fence, "lease handed over");
                    tenure.only_listen();
                    let leave_at = (self.clock.steady() + self.terms.overlap).min(ends_at);
                    self.clock.sleep_until(leave_at).await;
                    return Order::HandedOver;
                }
                Ok(Renewal::Lost) => return Order::Lost,
                Err(error) => {
                    let now = self.clock.steady();
                    tracing::warn!(fence, error = chain(&error), "lease not renewed");
                    if now >= until {
                        return Order::Lost;
                    }
                    renew_at = (now + RETRY_AFTER).min(until);
                }
            }
        }
    }

    async fn renew(&self, fence: Fence, offered: bool) -> Result<Renewal, StoreError> {
        let Terms { lease, holder, renew_ahead, .. } = &self.terms;
        self.leases.renew(lease, holder, fence, *renew_ahead, offered).await
    }

    async fn leave<E>(
        &self,
        order: Order,
        tenure: &Tenure,
        fence: Fence,
        work: impl Future<Output = Result<(), E>>,
    ) -> Departure<E> {
        match order {
            Order::Lost => tenure.withdraw(),
            Order::HandedOver | Order::Expired | Order::Stopped => tenure.stop().cancel(),
        }
        let left = self.clock.timeout(self.terms.leave_within, work).await;
        let failed = match left {
            Some(Ok(())) => None,
            Some(Err(error)) => Some(error),
            None => {
                tracing::warn!(fence, "leaving took too long");
                None
            }
        };
        match order {
            // Whoever has it by now is not to lose it by us.
            Order::HandedOver | Order::Lost => {}
            Order::Expired | Order::Stopped => self.release(fence).await,
        }
        match (failed, order) {
            (Some(error), _) => Departure::Ended(Err(error)),
            (None, Order::HandedOver) => Departure::HandedOver,
            (None, Order::Expired) => Departure::Expired,
            (None, Order::Lost) => Departure::Lost,
            (None, Order::Stopped) => Departure::Stopped,
        }
    }

    async fn release(&self, fence: Fence) {
        let (lease, holder) = (&self.terms.lease, &self.terms.holder);
        let releasing = self.leases.release(lease, holder, fence);
        match self.clock.timeout(RETRY_AFTER, releasing).await {
            Some(Ok(())) => {}
            // It runs out by itself.
            Some(Err(error)) => {
                tracing::warn!(fence, error = chain(&error), "lease not given back");
            }
            None => tracing::warn!(fence, "lease not given back in time"),
        }
    }
}

fn count(renewed: &Result<Renewal, StoreError>) {
    let outcome = match renewed {
        Ok(Renewal::Held) => "held",
        Ok(Renewal::HandedOver) => "handed-over",
        Ok(Renewal::Lost) => "lost",
        Err(_) => "failed",
    };
    metrics::counter!("sidetone_tracker_renewals_total", "outcome" => outcome).increment(1);
}
