//! The one place where users change: by file, API, command or sync.
//!
//! Whoever wants a change says what should stand; this plans the difference from what stands,
//! shows it or commits it whole with its history, and begins again if somebody was first.
//! Refuses: removing anybody without being told.

mod difference;
mod error;
mod sync;
mod users;

pub use difference::{ChangeKind, Counts, Difference};
pub use error::UsersError;
pub use sync::{Collision, Findings, KnownOtherwise, Synced, Unusable};
pub use users::{Absent, Edit, Intent, Outcome, Removals, Users};
