//! A set of whole numbers as stretches: numbers seen, media delivered.

/// Numbers as sorted stretches that neither touch nor overlap, each without its end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ranges {
    stretches: Vec<(u64, u64)>,
}

impl Ranges {
    /// Adds the numbers from `from` up to and without `to`.
    ///
    /// Returns whether any of them is new.
    pub fn insert(&mut self, from: u64, to: u64) -> bool {
        if from >= to {
            return false;
        }
        // In order is the usual case, and then only the last stretch matters.
        if let Some(last) = self.stretches.last_mut()
            && last.1 == from
        {
            last.1 = to;
            return true;
        }
        let first = self.stretches.partition_point(|&(_, end)| end < from);
        let behind = self.stretches.partition_point(|&(begin, _)| begin <= to);
        let touched = &self.stretches[first..behind];
        if let [(begin, end)] = *touched
            && begin <= from
            && to <= end
        {
            return false;
        }
        let begin = touched.first().map_or(from, |one| one.0.min(from));
        let end = touched.last().map_or(to, |one| one.1.max(to));
        self.stretches.splice(first..behind, [(begin, end)]);
        true
    }

    /// Returns whether a number is there.
    pub fn contains(&self, number: u64) -> bool {
        let place = self.stretches.partition_point(|&(_, end)| end <= number);
        self.stretches.get(place).is_some_and(|&(begin, _)| begin <= number)
    }

    /// Returns whether everything in `other` is here too.
    pub fn covers(&self, other: &Self) -> bool {
        other.iter().all(|(from, to)| {
            let place = self.stretches.partition_point(|&(_, end)| end <= from);
            self.stretches.get(place).is_some_and(|&(begin, end)| begin <= from && to <= end)
        })
    }

    /// Returns the stretches between `from` and the last number that are not here.
    pub fn holes_from(&self, from: u64) -> Vec<(u64, u64)> {
        let mut holes = Vec::new();
        let mut next = from;
        for (begin, end) in self.iter() {
            if begin > next {
                holes.push((next, begin));
            }
            next = next.max(end);
        }
        holes
    }

    /// Returns the stretches in order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.stretches.iter().copied()
    }

    /// Returns the number behind the last.
    pub fn end(&self) -> Option<u64> {
        self.stretches.last().map(|&(_, end)| end)
    }

    /// Returns how many numbers there are.
    pub fn total(&self) -> u64 {
        self.iter().map(|(from, to)| to - from).sum()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.stretches.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn holes_lie_between_the_first_and_the_last_number() {
        let mut ranges = Ranges::default();
        for (from, to) in [(4, 6), (9, 10), (6, 7)] {
            assert!(ranges.insert(from, to));
        }
        assert!(!ranges.insert(5, 7));
        assert!(!ranges.insert(3, 3));
        assert_eq!(ranges.holes_from(1), [(1, 4), (7, 9)]);
        assert_eq!((ranges.total(), ranges.end()), (4, Some(10)));
    }

    proptest! {
        #[test]
        fn is_the_same_as_a_set_of_numbers(
            pieces in prop::collection::vec((0u64..40, 0u64..8), 0..20)
        ) {
            let mut ranges = Ranges::default();
            let mut set = std::collections::BTreeSet::new();
            for &(from, length) in &pieces {
                let before = set.len();
                set.extend(from..from + length);
                prop_assert_eq!(ranges.insert(from, from + length), set.len() > before);
            }
            for number in 0..50 {
                prop_assert_eq!(ranges.contains(number), set.contains(&number));
            }
            prop_assert_eq!(ranges.total(), set.len() as u64);
            let pairs: Vec<_> = ranges.iter().collect();
            prop_assert!(pairs.windows(2).all(|pair| pair[0].1 < pair[1].0));
            let mut part = Ranges::default();
            for &(from, length) in pieces.iter().step_by(2) {
                part.insert(from, from + length);
            }
            prop_assert!(ranges.covers(&part));
            let full = part.covers(&ranges);
            prop_assert_eq!(full, part == ranges);
        }
    }
}
