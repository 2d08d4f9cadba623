//! Each record once, in order: what came twice is dropped, what came early waits.
//!
//! Everything that waits is bounded. Past a bound the missing numbers are given up, and a
//! [`Missing`] item says so where they would have been.
//!
//! A session's numbers are remembered past its end, for as many sessions as the settings say,
//! so what comes again late is still known. Of a session that was forgotten, nothing is: its
//! first record would be taken for a new session, and any other would wait as if the ones
//! before it were to come.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use sidetone_delivery_wire::Body;
use sidetone_model::ConnectionId;
use sidetone_ports::Sequence;

use crate::record::{Origin, Record, SessionKey};

/// How much may wait and be remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReorderSettings {
    /// Records of one connection that may wait for a missing number.
    ///
    /// A door never sends on while a record is in doubt, so what comes early is rare: a
    /// minute of audio is far more than any resending needs.
    pub held_per_connection_max: usize,
    /// Records that may wait in all; 200 bytes each and what they hold.
    pub held_max: usize,
    /// Sessions that may run at once; beyond it, those silent for longest are given up.
    pub running_max: usize,
    /// Sessions remembered past their end; beyond it, the oldest are forgotten.
    pub ended_max: usize,
    /// Whether the first record seen of a connection counts as its beginning.
    ///
    /// For those who begin to read in the middle of the stream.
    pub join_midway: bool,
}

impl Default for ReorderSettings {
    fn default() -> Self {
        Self {
            held_per_connection_max: 600,
            held_max: 60_000,
            running_max: 20_000,
            ended_max: 20_000,
            join_midway: false,
        }
    }
}

/// What comes out, in order of number within each origin.
#[derive(Debug, Clone, PartialEq)]
pub enum Ordered {
    /// A record, for the first and only time.
    Record(Record),
    /// Records that did not come in time; should they come still, they are dropped.
    Missing(Missing),
}

/// Numbers that were given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Where the records would have come from.
    pub origin: Arc<Origin>,
    /// The first missing number.
    pub from: u64,
    /// The last missing number.
    pub to: u64,
}

impl Ordered {
    /// Returns where it comes from.
    pub fn origin(&self) -> &Arc<Origin> {
        match self {
            Self::Record(record) => &record.origin,
            Self::Missing(missing) => &missing.origin,
        }
    }
}

/// Drops duplicates and restores order.
#[derive(Debug, Default)]
pub struct Reorder {
    settings: ReorderSettings,
    sessions: HashMap<SessionKey, Session>,
    held: usize,
    ended: usize,
    touch: u64,
    duplicates: u64,
}

#[derive(Debug, Default)]
struct Session {
    connections: Vec<Connection>,
    touched: u64,
    ended: bool,
    /// Where its first record stood in the stream.
    began: Sequence,
}

#[derive(Debug)]
struct Connection {
    id: ConnectionId,
    /// The number that is to come out next.
    next: u64,
    early: BTreeMap<u64, Record>,
}

impl Reorder {
    /// Starts with nothing seen.
    pub fn new(settings: ReorderSettings) -> Self {
        Self { settings, ..Self::default() }
    }

    /// Takes a record and appends to `out` whatever it lets through.
    pub fn push(&mut self, record: Record, out: &mut Vec<Ordered>) {
        self.touch += 1;
        let key = record.origin.session;
        let session = self
            .sessions
            .entry(key)
            .or_insert_with(|| Session { began: record.sequence, ..Session::default() });
        session.touched = self.touch;
        let first = if self.settings.join_midway { record.number } else { 1 };
        let place = session.place_of(&record.origin.connection, first);
        let connection = &mut session.connections[place];
        if record.number < connection.next || connection.early.contains_key(&record.number) {
            self.duplicates += 1;
            metrics::counter!("sidetone_consumer_duplicates_total").increment(1);
            return;
        }
        connection.early.insert(record.number, record);
        self.held += 1;
        self.release(key, place, out);
        let waiting = self.sessions[&key].connections[place].early.len();
        if waiting > self.settings.held_per_connection_max {
            self.give_up(key, place, out);
            self.release(key, place, out);
        }
        if self.held > self.settings.held_max {
            self.flush_fullest(out);
        }
        if self.sessions.len() - self.ended > self.settings.running_max {
            self.forget_longest_silent(false, self.settings.running_max, out);
        }
    }

    /// Appends everything that waits to `out`, and what it waited for as missing.
    pub fn flush(&mut self, out: &mut Vec<Ordered>) {
        let mut keys: Vec<SessionKey> = self.sessions.keys().copied().collect();
        keys.sort_unstable();
        for key in keys {
            self.flush_session(key, out);
        }
    }

    /// Returns how many records wait.
    pub const fn held(&self) -> usize {
        self.held
    }

    /// Returns how many records came more than once, or after they had been given up.
    pub const fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Returns the place in the stream of the oldest record that waits.
    pub fn oldest_held(&self) -> Option<Sequence> {
        if self.held == 0 {
            return None;
        }
        self.sessions
            .values()
            .flat_map(|session| &session.connections)
            .flat_map(|connection| connection.early.values())
            .map(|record| record.sequence)
            .min()
    }

    /// Returns the place in the stream of the first record of the oldest session that runs, or
    /// of the oldest record that waits, if that is older.
    ///
    /// A conversation without a session never ends and does not count.
    pub fn oldest_running(&self) -> Option<Sequence> {
        let running = self
            .sessions
            .iter()
            .filter(|(key, session)| !session.ended && key.session.is_some())
            .map(|(_, session)| session.began)
            .min();
        running.into_iter().chain(self.oldest_held()).min()
    }

    /// Lets through what follows without a hole.
    fn release(&mut self, key: SessionKey, place: usize, out: &mut Vec<Ordered>) {
        loop {
            let Some(session) = self.sessions.get_mut(&key) else { return };
            let connection = &mut session.connections[place];
            let Some(entry) = connection.early.first_entry() else { return };
            if *entry.key() != connection.next {
                return;
            }
            let record = entry.remove();
            connection.next += 1;
            self.held -= 1;
            if matches!(record.body, Some(Body::SessionEnded(_))) {
                // What other connections still owe comes before the end, or not at all.
                self.flush_others(key, place, out);
                self.mark_ended(key, out);
            }
            // What this version does not know counts, and is nothing to anybody.
            if record.body.is_some() {
                out.push(Ordered::Record(record));
            }
        }
    }

    /// Steps over the numbers that the earliest waiting record of a connection waits for.
    fn give_up(&mut self, key: SessionKey, place: usize, out: &mut Vec<Ordered>) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        let connection = &mut session.connections[place];
        let Some((&number, record)) = connection.early.first_key_value() else { return };
        if number > connection.next {
            let missing = Missing {
                origin: Arc::clone(&record.origin),
                from: connection.next,
                to: number - 1,
            };
            metrics::counter!("sidetone_consumer_missing_records_total")
                .increment(number - connection.next);
            tracing::warn!(
                session = ?key.session,
                connection = %connection.id,
                from = missing.from,
                to = missing.to,
                "records are missing"
            );
            connection.next = number;
            out.push(Ordered::Missing(missing));
        }
    }

    fn flush_connection(&mut self, key: SessionKey, place: usize, out: &mut Vec<Ordered>) {
        let waits = |this: &Self| {
            this.sessions.get(&key).is_some_and(|one| !one.connections[place].early.is_empty())
        };
        while waits(self) {
            self.give_up(key, place, out);
            self.release(key, place, out);
        }
    }

    fn flush_others(&mut self, key: SessionKey, place: usize, out: &mut Vec<Ordered>) {
        let count = self.sessions.get(&key).map_or(0, |session| session.connections.len());
        for other in (0..count).filter(|&other| other != place) {
            self.flush_connection(key, other, out);
        }
    }

    fn flush_session(&mut self, key: SessionKey, out: &mut Vec<Ordered>) {
        self.flush_others(key, usize::MAX, out);
    }

    fn flush_fullest(&mut self, out: &mut Vec<Ordered>) {
        let held = |session: &Session| -> usize {
            session.connections.iter().map(|one| one.early.len()).sum()
        };
        // Ties go to the smaller key, so that the same records always give the same answer.
        let fullest = self
            .sessions
            .iter()
            .max_by_key(|(key, session)| (held(session), std::cmp::Reverse(**key)))
            .map(|(key, _)| *key);
        if let Some(key) = fullest {
            self.flush_session(key, out);
        }
    }

    fn mark_ended(&mut self, key: SessionKey, out: &mut Vec<Ordered>) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        if !session.ended {
            session.ended = true;
            self.ended += 1;
        }
        if self.ended > self.settings.ended_max {
            self.forget_longest_silent(true, self.settings.ended_max, out);
        }
    }

    /// Forgets the sessions that were silent for longest, an eighth at a time so that looking
    /// for them is rare.
    fn forget_longest_silent(&mut self, ended: bool, max: usize, out: &mut Vec<Ordered>) {
        let newest = self.touch;
        let mut silent: Vec<(u64, SessionKey)> = self
            .sessions
            .iter()
            .filter(|(_, session)| session.ended == ended && session.touched != newest)
            .map(|(key, session)| (session.touched, *key))
            .collect();
        silent.sort_unstable();
        silent.truncate(silent.len().saturating_sub(max - max / 8).max(1));
        for (_, key) in silent {
            self.flush_session(key, out);
            if let Some(session) = self.sessions.remove(&key) {
                // Flushing may have let its end through.
                self.ended -= usize::from(session.ended);
            }
        }
    }
}

impl Session {
    /// Returns the place of a connection, which begins at `first` if it is new.
    fn place_of(&mut self, id: &ConnectionId, first: u64) -> usize {
        if let Some(place) = self.connections.iter().position(|one| one.id == *id) {
            return place;
        }
        self.connections.push(Connection { id: id.clone(), next: first, early: BTreeMap::new() });
        self.connections.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{Script, session_id};

    /// Records of one connection, all audio, the last one the end.
    fn records(connection: &str, count: u64) -> Vec<Record> {
        let mut script = Script::new(connection).start("matched");
        for number in 2..count {
            script = script.audio((number - 2) * 160, 160);
        }
        script.end(1).records(1)
    }

    fn numbers(items: &[Ordered]) -> Vec<String> {
        items
            .iter()
            .map(|item| match item {
                Ordered::Record(record) => record.number.to_string(),
                Ordered::Missing(missing) => format!("missing {}-{}", missing.from, missing.to),
            })
            .collect()
    }

    fn feed(reorder: &mut Reorder, records: &[Record], order: &[usize]) -> Vec<Ordered> {
        let mut out = Vec::new();
        for &index in order {
            reorder.push(records[index].clone(), &mut out);
        }
        out
    }

    #[test]
    fn what_came_twice_comes_out_once_even_after_the_end() {
        let records = records("c", 3);
        let mut reorder = Reorder::default();
        let out = feed(&mut reorder, &records, &[0, 0, 1, 2, 2, 0, 1]);
        assert_eq!(numbers(&out), ["1", "2", "3"]);
        assert_eq!(reorder.duplicates(), 4);
    }

    #[test]
    fn too_much_waiting_gives_the_missing_up_and_says_so() {
        let records = records("c", 9);
        let settings = ReorderSettings { held_per_connection_max: 3, ..Default::default() };
        let mut reorder = Reorder::new(settings);
        let out = feed(&mut reorder, &records, &[0, 3, 4, 5]);
        assert_eq!(numbers(&out), ["1"]);
        assert_eq!((reorder.held(), reorder.oldest_held()), (3, Some(1)));
        let out = feed(&mut reorder, &records, &[7, 1, 6, 8]);
        assert_eq!(numbers(&out), ["missing 2-3", "4", "5", "6", "7", "8", "9"]);
        assert_eq!((reorder.held(), reorder.duplicates()), (0, 1));
    }

    #[test]
    fn the_bound_over_all_sessions_empties_the_fullest() {
        let one = records("c", 9);
        let mut other = records("c", 9);
        for record in &mut other {
            let mut origin = (*record.origin).clone();
            origin.session.session = Some(session_id(2));
            record.origin = Arc::new(origin);
        }
        let settings = ReorderSettings { held_max: 3, ..Default::default() };
        let mut reorder = Reorder::new(settings);
        assert!(feed(&mut reorder, &one, &[3]).is_empty());
        assert!(feed(&mut reorder, &other, &[3, 5]).is_empty());
        let out = feed(&mut reorder, &other, &[6]);
        assert_eq!(numbers(&out), ["missing 1-3", "4", "missing 5-5", "6", "7"]);
        assert_eq!(reorder.held(), 1);
    }

    #[test]
    fn the_end_under_another_connection_brings_out_what_still_waited() {
        let lost = records("c", 5);
        let mut reorder = Reorder::default();
        let mut out = feed(&mut reorder, &lost, &[0, 2]);
        for record in Script::new("sweep-c").open_gap("c").end(4).records(9) {
            reorder.push(record, &mut out);
        }
        assert_eq!(numbers(&out), ["1", "1", "missing 2-2", "3", "2"]);
        // A door that was not dead after all goes on where it was.
        assert_eq!(numbers(&feed(&mut reorder, &lost, &[1, 2, 3])), ["4"]);
    }

    #[test]
    fn a_reader_that_joins_midway_waits_for_nothing_before() {
        let records = records("c", 6);
        let settings = ReorderSettings { join_midway: true, ..Default::default() };
        let mut reorder = Reorder::new(settings);
        let out = feed(&mut reorder, &records, &[3, 2, 4, 5]);
        assert_eq!(numbers(&out), ["4", "5", "6"]);
    }

    #[test]
    fn no_more_sessions_are_remembered_than_the_settings_say() {
        let settings = ReorderSettings { running_max: 16, ended_max: 8, ..Default::default() };
        let mut reorder = Reorder::new(settings);
        let mut out = Vec::new();
        for session in 0..100 {
            let script = Script::of(session, "c").start("matched").audio(0, 160);
            let script = if session % 2 == 0 { script.end(1) } else { script };
            for record in script.records(1) {
                reorder.push(record, &mut out);
            }
            assert!(reorder.ended <= 8 && reorder.sessions.len() - reorder.ended <= 16);
        }
        assert_eq!(out.len(), 250);
        assert_eq!(reorder.sessions.values().filter(|one| one.ended).count(), reorder.ended);
    }

    #[test]
    fn a_body_that_this_version_does_not_know_is_counted_and_not_shown() {
        let mut records = records("c", 4);
        records[1].body = None;
        let out = feed(&mut Reorder::default(), &records, &[0, 1, 2, 3]);
        assert_eq!(numbers(&out), ["1", "3", "4"]);
    }

    proptest! {
        #[test]
        fn any_order_and_repetition_comes_out_in_order(
            order in Just((0..12usize).collect::<Vec<_>>()).prop_shuffle(),
            again in prop::collection::vec(0..12usize, 0..12),
        ) {
            let records = records("c", 12);
            let mixed: Vec<usize> = order
                .iter()
                .zip(again.iter().map(Some).chain(std::iter::repeat(None)))
                .flat_map(|(one, two)| std::iter::once(*one).chain(two.copied()))
                .collect();
            let mut reorder = Reorder::default();
            let out = feed(&mut reorder, &records, &mixed);
            let expected: Vec<Ordered> = records.into_iter().map(Ordered::Record).collect();
            prop_assert_eq!(out, expected);
        }
    }
}
