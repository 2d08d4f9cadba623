//! What the tests share: real processes of the command, a simulated platform, clients, and ways
//! to look at what was left behind.

mod client;
mod conversation;
mod ledger;
mod process;
mod scan;
mod site;
mod sound;

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

pub(crate) use client::{Answer, Client, Upgrade, binary_frame, text_frame};
pub(crate) use conversation::{LiveCall, Neighbour, SimCaller, delivered};
pub(crate) use ledger::{
    Ledger, assert_recording_is_exact, assert_talk_is_delivered, recording, recording_files,
};
pub(crate) use process::{Finished, Process, sidetone, sidetone_fed};
pub(crate) use scan::{Find, find_in_directory, find_in_text};
pub(crate) use site::{Credentials, ORGANIZATION, Running, Site, ada, bo};
pub(crate) use sound::{frame, pcm_of, sound};

/// How long anything may take that should take a moment: long, as the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Waits until a look finds something.
pub(crate) async fn until<T, F>(what: &str, mut look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let limit = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < limit, "waited in vain until {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
