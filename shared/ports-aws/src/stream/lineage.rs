//! Which shards may be read: children only once their parents have ended, so that the records of
//! one conversation stay in order when its shard is split or merged.

use std::collections::BTreeSet;

/// A shard and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shard {
    pub(super) id: String,
    pub(super) parents: Vec<String>,
}

/// The shards of a stream as far as they are known.
#[derive(Debug, Default)]
pub(super) struct Lineage {
    known: BTreeSet<String>,
    waiting: Vec<Shard>,
    open: BTreeSet<String>,
}

impl Lineage {
    /// Adds shards; those that are known already are left as they are.
    pub(super) fn learn(&mut self, shards: impl IntoIterator<Item = Shard>) {
        for shard in shards {
            if self.known.insert(shard.id.clone()) {
                self.waiting.push(shard);
            }
        }
    }

    /// Notes a shard that nobody wants to read.
    pub(super) fn pass_over(&mut self, id: &str) {
        self.known.insert(id.to_owned());
    }

    /// Takes the shards that may be read from now on.
    ///
    /// A parent that is not known has been trimmed away, and nobody waits for it.
    pub(super) fn take_ready(&mut self) -> Vec<String> {
        let unread: BTreeSet<String> =
            self.waiting.iter().map(|shard| shard.id.clone()).chain(self.open.clone()).collect();
        let (ready, waiting) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|shard| shard.parents.iter().all(|parent| !unread.contains(parent)));
        self.waiting = waiting;
        let ready: Vec<String> = Vec::into_iter(ready).map(|shard: Shard| shard.id).collect();
        self.open.extend(ready.iter().cloned());
        ready
    }

    /// Notes that a shard has been read to its end.
    pub(super) fn end(&mut self, id: &str) {
        self.open.remove(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(id: &str, parents: &[&str]) -> Shard {
        Shard { id: id.into(), parents: parents.iter().map(ToString::to_string).collect() }
    }

    #[test]
    fn children_wait_for_all_their_parents() {
        let mut lineage = Lineage::default();
        let shards = [shard("a", &[]), shard("b", &["trimmed"]), shard("ab", &["a", "b"])];
        lineage.learn(shards.clone());
        assert_eq!(lineage.take_ready(), ["a", "b"]);
        lineage.end("a");
        assert!(lineage.take_ready().is_empty(), "one parent is still being read");
        lineage.end("b");
        assert_eq!(lineage.take_ready(), ["ab"]);
        lineage.learn(shards);
        assert!(lineage.take_ready().is_empty(), "nothing is read twice");
    }

    #[test]
    fn grandchildren_wait_too() {
        let mut lineage = Lineage::default();
        lineage.learn([shard("aaa", &["aa"]), shard("aa", &["a"]), shard("a", &[])]);
        for generation in ["a", "aa", "aaa"] {
            assert_eq!(lineage.take_ready(), [generation]);
            lineage.end(generation);
        }
    }

    #[test]
    fn nobody_waits_for_what_is_passed_over() {
        let mut lineage = Lineage::default();
        lineage.pass_over("a");
        lineage.learn([shard("a", &[]), shard("aa", &["a"])]);
        assert_eq!(lineage.take_ready(), ["aa"]);
    }
}
