//! The connections of a listener that have not proved anything yet: how many, and of whom.
//!
//! A connection is *silent* while no whole request has arrived on it. At a limit the connection
//! that has been silent longest makes room: a client that means to call sends its request at
//! once, so it gets in whatever the number of silent ones beside it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::source::Source;

/// Why a connection was closed in favour of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evicted {
    /// Its source had as many as one source may have.
    Source,
    /// The listener had as many as it may have.
    Listener,
}

impl Evicted {
    /// Returns the value of the metric's label.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Listener => "listener",
        }
    }
}

/// All connections of a listener.
#[derive(Debug)]
pub(crate) struct Connections {
    limit: usize,
    limit_of_source: usize,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    held: HashMap<u64, Option<Source>>,
    /// In order of how long they have been silent; the number is the connection's.
    silent: BTreeMap<u64, (u64, CancellationToken)>,
    sources: HashMap<Source, OfSource>,
}

#[derive(Debug, Default)]
struct OfSource {
    held: usize,
    silent: BTreeSet<u64>,
}

impl Connections {
    pub(crate) fn new(limit: usize, limit_of_source: usize) -> Arc<Self> {
        Arc::new(Self { limit, limit_of_source, table: Mutex::default() })
    }

    /// Takes a connection in; at a limit, one that is silent makes room. Without such a one the
    /// new connection is refused.
    pub(crate) fn admit(
        self: &Arc<Self>,
        source: Option<Source>,
    ) -> (Option<Connection>, Option<Evicted>) {
        let mut table = self.lock();
        let of_source = source.and_then(|source| table.sources.get(&source));
        let crowded = if of_source.is_some_and(|it| it.held >= self.limit_of_source) {
            let oldest = of_source.and_then(|it| it.silent.first().copied());
            Some((Evicted::Source, oldest))
        } else if table.held.len() >= self.limit {
            Some((Evicted::Listener, table.silent.keys().next().copied()))
        } else {
            None
        };
        if let Some((why, oldest)) = crowded {
            let Some(oldest) = oldest else { return (None, Some(why)) };
            table.evict(oldest);
        }
        let evicted = CancellationToken::new();
        let number = table.number();
        table.held.insert(number, source);
        if let Some(source) = source {
            table.sources.entry(source).or_default().held += 1;
        }
        let order = table.silence(number, evicted.clone());
        drop(table);
        let held = Held { all: Arc::clone(self), number, evicted, silent: Mutex::new(Some(order)) };
        (Some(Connection(Arc::new(held))), crowded.map(|(why, _)| why))
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn silence(&mut self, number: u64, evicted: CancellationToken) -> u64 {
        let order = self.number();
        self.silent.insert(order, (number, evicted));
        if let Some(of_source) = self.of_connection(number) {
            of_source.silent.insert(order);
        }
        order
    }

    fn speak(&mut self, order: u64) {
        if let Some((number, _)) = self.silent.remove(&order)
            && let Some(of_source) = self.of_connection(number)
        {
            of_source.silent.remove(&order);
        }
    }

    fn evict(&mut self, order: u64) {
        let Some((number, evicted)) = self.silent.get(&order).cloned() else { return };
        self.speak(order);
        self.release(number);
        evicted.cancel();
    }

    fn release(&mut self, number: u64) {
        let Some(Some(source)) = self.held.remove(&number) else { return };
        if let Some(of_source) = self.sources.get_mut(&source) {
            of_source.held -= 1;
            if of_source.held == 0 {
                self.sources.remove(&source);
            }
        }
    }

    fn of_connection(&mut self, number: u64) -> Option<&mut OfSource> {
        let source = (*self.held.get(&number)?)?;
        self.sources.get_mut(&source)
    }
}

/// A connection that counts until its last clone is dropped.
#[derive(Debug, Clone)]
pub struct Connection(Arc<Held>);

#[derive(Debug)]
struct Held {
    all: Arc<Connections>,
    number: u64,
    evicted: CancellationToken,
    silent: Mutex<Option<u64>>,
}

impl Connection {
    /// Waits until the connection has to make room for another.
    pub async fn evicted(&self) {
        self.0.evicted.cancelled().await;
    }

    /// Notes that a whole request has arrived; the connection is not closed in favour of another
    /// until the returned value is dropped.
    pub fn busy(&self) -> Busy {
        let mut table = self.0.all.lock();
        if let Some(order) = self.0.silence().take() {
            table.speak(order);
        }
        Busy(self.clone())
    }
}

impl Held {
    fn silence(&self) -> MutexGuard<'_, Option<u64>> {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut table = self.all.lock();
        if let Some(order) = self.silence().take() {
            table.speak(order);
        }
        table.release(self.number);
    }
}

/// A request of a connection that is being answered.
#[derive(Debug)]
pub struct Busy(Connection);

impl Drop for Busy {
    fn drop(&mut self) {
        let held = &*self.0.0;
        let mut table = held.all.lock();
        if table.held.contains_key(&held.number) {
            *held.silence() = Some(table.silence(held.number, held.evicted.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceRules;

    fn source(last: u8) -> Option<Source> {
        SourceRules::default().of_peer([192, 0, 2, last].into())
    }

    fn is_evicted(connection: &Connection) -> bool {
        connection.0.evicted.is_cancelled()
    }

    #[test]
    fn silent_connection_makes_room_for_a_new_one_of_its_source() {
        let all = Connections::new(100, 2);
        let (first, _) = all.admit(source(1));
        let (second, _) = all.admit(source(1));
        let (third, why) = all.admit(source(1));
        assert_eq!(why, Some(Evicted::Source));
        assert!(is_evicted(&first.unwrap()), "the oldest");
        assert!(!is_evicted(&second.unwrap()));
        assert!(third.is_some());
        assert_eq!(all.admit(source(2)).1, None, "another source has a limit of its own");
    }

    #[test]
    fn connection_with_a_request_is_never_closed_for_another() {
        let all = Connections::new(100, 1);
        let first = all.admit(source(1)).0.unwrap();
        let busy = first.busy();
        let (refused, why) = all.admit(source(1));
        assert!(refused.is_none() && why == Some(Evicted::Source));
        drop(busy);
        assert!(all.admit(source(1)).0.is_some());
        assert!(is_evicted(&first));
    }

    #[test]
    fn limit_of_the_listener_holds_over_all_sources() {
        let all = Connections::new(3, 3);
        let held: Vec<_> = (0..6).filter_map(|last| all.admit(source(last)).0).collect();
        assert_eq!(held.iter().filter(|one| is_evicted(one)).count(), 3);
        drop(held);
        let table = all.lock();
        assert!(table.held.is_empty() && table.silent.is_empty() && table.sources.is_empty());
    }

    #[test]
    fn connections_of_proxies_have_only_the_listeners_limit() {
        let all = Connections::new(5, 1);
        let held: Vec<_> = (0..5).map(|_| all.admit(None)).collect();
        assert!(held.iter().all(|(one, why)| one.is_some() && why.is_none()));
        assert_eq!(all.admit(None).1, Some(Evicted::Listener));
    }
}
