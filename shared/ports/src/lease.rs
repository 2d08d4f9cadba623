//! What only one may do at a time: held for a while, renewed, handed over.
//!
//! No moment is stored: a holder is alive as long as its beat moves, which others observe by
//! their own clocks ([`crate::claim`]).

use std::future::Future;
use std::time::Duration;

use crate::error::StoreError;

/// Grows with every holder; whoever acts under a smaller one is no longer the holder.
pub type Fence = u64;

/// A held lease as another finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeaseBeat {
    /// Under which fence it is held.
    pub fence: Fence,
    /// Grows with every renewal under that fence.
    pub beat: u64,
    /// How long its beat may stand still before the holder counts as dead.
    pub life: Duration,
}

/// What came of asking for a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// It is the asker's, under this fence.
    Granted(Fence),
    /// Another holds it.
    Held(LeaseBeat),
}

/// What became of a lease that one holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// It goes on.
    Held,
    /// It had been offered, and another has taken it.
    HandedOver,
    /// Another has taken it because its beat stood still.
    Lost,
}

/// Leases, by name.
pub trait LeaseStore: Clone + Send + Sync + 'static {
    /// Takes a lease that is free, is offered, or still shows the beat that the caller observed
    /// to be `silent` for its whole life. Of two callers at once, one gets it.
    fn acquire(
        &self,
        name: &str,
        holder: &str,
        life: Duration,
        silent: Option<LeaseBeat>,
    ) -> impl Future<Output = Result<Claim, StoreError>> + Send;

    /// Moves the beat of a lease, if it still is the holder's under `fence`; with `offered`,
    /// the next caller of [`LeaseStore::acquire`] gets it.
    fn renew(
        &self,
        name: &str,
        holder: &str,
        fence: Fence,
        life: Duration,
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
