//! A line to clients that are not there: it notes what is said, and misbehaves as told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sidetone_model::ConnectionId;
use sidetone_ports::{ClientLine, LineError, Said};
use tokio::sync::watch;

/// How one word on the line goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineFault {
    /// It fails, and nothing was taken.
    Refuse,
    /// It fails, although it was taken.
    FailAfterTaken,
    /// Nothing happens until [`MemoryLine::release`]; then it goes through.
    Hang,
    /// It goes through after a time of the runtime's clock.
    Delay(Duration),
}

/// A [`ClientLine`] that ends in memory. Clones are the same line.
///
/// Faults queued with [`MemoryLine::next`] hit one word each (something said, or a hang-up), in
/// order; afterwards the one set with [`MemoryLine::keep`], if any, hits every word until
/// [`MemoryLine::heal`].
#[derive(Debug, Clone)]
pub struct MemoryLine {
    state: Arc<Mutex<State>>,
    released: Arc<watch::Sender<u64>>,
}

#[derive(Debug, Default)]
struct State {
    clients: BTreeMap<ConnectionId, Client>,
    queued: VecDeque<LineFault>,
    kept: Option<LineFault>,
    words: usize,
    overlaps: usize,
}

#[derive(Debug, Default)]
struct Client {
    said: Vec<String>,
    under_way: usize,
    is_gone: bool,
    is_hung_up: bool,
}

impl Default for MemoryLine {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryLine {
    /// Makes a line on which every client listens.
    pub fn new() -> Self {
        Self { state: Arc::default(), released: Arc::new(watch::Sender::new(0)) }
    }

    /// Returns what a client was told so far, in the order in which it was taken.
    pub fn said(&self, connection: &ConnectionId) -> Vec<String> {
        self.state().clients.get(connection).map_or_else(Vec::new, |client| client.said.clone())
    }

    /// Returns whether we hung up on a client.
    pub fn is_hung_up(&self, connection: &ConnectionId) -> bool {
        self.state().clients.get(connection).is_some_and(|client| client.is_hung_up)
    }

    /// Lets a client be gone from here on.
    pub fn lose(&self, connection: &ConnectionId) {
        self.state().clients.entry(connection.clone()).or_default().is_gone = true;
    }

    /// Lets the next word that has no fault yet go wrong.
    pub fn next(&self, fault: LineFault) {
        self.state().queued.push_back(fault);
    }

    /// Lets every word go wrong once the queued faults are used up.
    pub fn keep(&self, fault: LineFault) {
        self.state().kept = Some(fault);
    }

    /// Ends all faults that no word has met yet, and releases what hangs.
    pub fn heal(&self) {
        let mut state = self.state();
        state.queued.clear();
        state.kept = None;
        drop(state);
        self.release();
    }

    /// Lets every word that hangs go through.
    pub fn release(&self) {
        self.released.send_modify(|times| *times += 1);
    }

    /// Returns how many words came so far, good or bad.
    pub fn words(&self) -> usize {
        self.state().words
    }

    /// Returns how many words came while another to the same client was under way: those two
    /// have no order between them.
    pub fn overlaps(&self) -> usize {
        self.state().overlaps
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, connection: &ConnectionId) -> (UnderWay, Option<LineFault>) {
        let mut guard = self.state();
        let state = &mut *guard;
        state.words += 1;
        let client = state.clients.entry(connection.clone()).or_default();
        state.overlaps += usize::from(client.under_way > 0);
        client.under_way += 1;
        let fault = state.queued.pop_front().or_else(|| state.kept.clone());
        (UnderWay { line: self.clone(), connection: connection.clone() }, fault)
    }

    /// Takes one word, unless the client is gone; `take` notes it.
    async fn word(
        &self,
        connection: &ConnectionId,
        take: impl FnOnce(&mut Client) + Send,
    ) -> Result<Said, LineError> {
        let failed = |source: &str| LineError { source: source.into() };
        // Subscribed before the fault is drawn: a release that comes at once is not missed.
        let mut released = self.released.subscribe();
        let (_under_way, fault) = self.begin(connection);
        match fault {
            None | Some(LineFault::FailAfterTaken) => {}
            Some(LineFault::Refuse) => return Err(failed("refused, as the test asked")),
            Some(LineFault::Hang) => {
                released.changed().await.expect("this line holds the sender");
            }
            Some(LineFault::Delay(delay)) => tokio::time::sleep(delay).await,
        }
        let said = {
            let mut state = self.state();
            let client = state.clients.entry(connection.clone()).or_default();
            if client.is_gone {
                Said::Gone
            } else {
                take(client);
                Said::Taken
            }
        };
        match fault {
            Some(LineFault::FailAfterTaken) => {
                Err(failed("failed after it was taken, as the test asked"))
            }
            Some(LineFault::Refuse | LineFault::Hang | LineFault::Delay(_)) | None => Ok(said),
        }
    }
}

/// A word on its way; it counts until it is answered or given up.
struct UnderWay {
    line: MemoryLine,
    connection: ConnectionId,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(client) = self.line.state().clients.get_mut(&self.connection) {
            client.under_way -= 1;
        }
    }
}

impl ClientLine for MemoryLine {
    async fn say(&self, connection: &ConnectionId, text: &str) -> Result<Said, LineError> {
        let text = text.to_owned();
        self.word(connection, move |client| client.said.push(text)).await
    }

    async fn hang_up(&self, connection: &ConnectionId) -> Result<Said, LineError> {
        self.word(connection, |client| {
            client.is_gone = true;
            client.is_hung_up = true;
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fresh::fresh_connection;

    #[tokio::test]
    async fn notes_what_is_taken_in_order_until_somebody_hangs_up() {
        let (line, one, two) = (MemoryLine::new(), fresh_connection(), fresh_connection());
        line.next(LineFault::Refuse);
        line.next(LineFault::FailAfterTaken);
        assert!(line.say(&one, "a").await.is_err());
        assert!(line.say(&one, "b").await.is_err());
        assert_eq!(line.say(&one, "c").await.expect("healthy"), Said::Taken);
        assert_eq!(line.say(&two, "d").await.expect("healthy"), Said::Taken);
        assert_eq!(line.hang_up(&one).await.expect("healthy"), Said::Taken);
        assert_eq!(line.say(&one, "e").await.expect("healthy"), Said::Gone);
        line.lose(&two);
        assert_eq!(line.hang_up(&two).await.expect("healthy"), Said::Gone);
        assert_eq!(line.said(&one), ["b", "c"]);
        assert_eq!(line.said(&two), ["d"]);
        assert_eq!((line.is_hung_up(&one), line.is_hung_up(&two)), (true, false));
        assert_eq!((line.words(), line.overlaps()), (7, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_word_that_hangs_goes_through_once_released() {
        let (line, one) = (MemoryLine::new(), fresh_connection());
        line.next(LineFault::Hang);
        let say = tokio::spawn({
            let (line, one) = (line.clone(), one.clone());
            async move { line.say(&one, "first").await }
        });
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(!say.is_finished());
        line.say(&one, "second").await.expect("healthy");
        assert_eq!(line.overlaps(), 1, "the second came while the first was under way");
        line.release();
        assert_eq!(say.await.expect("no panic").expect("released"), Said::Taken);
        assert_eq!(line.said(&one), ["second", "first"]);
    }
}
