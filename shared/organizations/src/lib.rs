//! The one place where organizations are set up: settings and secrets together.
//!
//! Every change leaves one line in the log and one entry in the history that say who changed what
//! of whom. Refuses: returning a secret, and touching any of another organization's.

mod change;
mod error;
mod organizations;
mod view;

pub use change::{Change, NewClient, NewKey};
pub use error::OrganizationsError;
pub use organizations::{KeyStanding, Organizations, Removed, Standing};
pub use view::{EntryView, HistoryView, SettingsKind};
