//! What only one may do at a time: held for a while, renewed, handed over.

use std::future::Future;

use sidetone_model::Timestamp;

use crate::error::StoreError;

/// Grows with every holder; whoever acts under a smaller one is no longer the holder.
pub type Fence = u64;

/// What became of a lease that one holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// It goes on.
    Held,
    /// It had been offered, and another has taken it.
    HandedOver,
    /// It had run out, and another has taken it or may at any time.
    Lost,
}

/// Leases, by name.
pub trait LeaseStore: Clone + Send + Sync + 'static {
    /// Takes a lease that is free, has run out at `now`, or is offered; nothing if another
    /// holds it. Of two who come at once, one gets it.
    fn acquire(
        &self,
        name: &str,
        holder: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Fence>, StoreError>> + Send;

    /// Holds a lease until `until`, if it still is the holder's under `fence`; with `offered`,
    /// whoever asks next gets it.
    fn renew(
        &self,
        name: &str,
        holder: &str,
        fence: Fence,
        until: Timestamp,
        offered: bool,
    ) -> impl Future<Output = Result<Renewal, StoreError>> + Send;

    /// Gives a lease back, if it still is the holder's under `fence`.
    fn release(
        &self,
        name: &str,
        holder: &str,
        fence: Fence,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}
