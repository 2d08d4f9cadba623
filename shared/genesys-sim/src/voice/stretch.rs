//! A piece of media time.

use sidetone_model::Position;

/// The media from one position up to, and without, another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stretch {
    /// The first position in it.
    pub from: Position,
    /// The first position behind it.
    pub to: Position,
}

impl Stretch {
    /// Names the media between two positions; empty if they are not in order.
    pub const fn new(from: Position, to: Position) -> Self {
        Self { from, to }
    }

    /// Returns its length.
    ///
    /// Units: samples per channel.
    pub const fn samples(self) -> u64 {
        self.to.samples_since(self.from)
    }

    /// Returns its length in whole milliseconds, rounded down.
    pub const fn millis(self) -> u64 {
        Position::from_samples(self.samples()).as_millis()
    }

    /// Returns whether nothing is in it.
    pub const fn is_empty(self) -> bool {
        self.samples() == 0
    }

    /// Returns what both have, if they have anything in common.
    pub fn common(self, other: Self) -> Option<Self> {
        let both = Self { from: self.from.max(other.from), to: self.to.min(other.to) };
        (!both.is_empty()).then_some(both)
    }

    /// Adds it to a list in order, as one with the last if it goes on where that ends.
    pub fn append_to(self, list: &mut Vec<Self>) {
        match list.last_mut() {
            _ if self.is_empty() => {}
            Some(last) if last.to == self.from => last.to = self.to,
            Some(_) | None => list.push(self),
        }
    }

    /// Returns what is left of a list, in order and without overlaps, without another such.
    pub fn without(list: &[Self], taken: &[Self]) -> Vec<Self> {
        let mut left = Vec::with_capacity(list.len());
        for stretch in list {
            let mut from = stretch.from;
            for hole in taken.iter().filter_map(|hole| hole.common(*stretch)) {
                Self::new(from, hole.from).append_to(&mut left);
                from = from.max(hole.to);
            }
            Self::new(from, stretch.to).append_to(&mut left);
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch(from: u64, to: u64) -> Stretch {
        Stretch::new(Position::from_samples(from), Position::from_samples(to))
    }

    #[test]
    fn neighbours_become_one() {
        let mut list = Vec::new();
        for (from, to) in [(0, 5), (5, 5), (5, 9), (11, 12)] {
            stretch(from, to).append_to(&mut list);
        }
        assert_eq!(list, [stretch(0, 9), stretch(11, 12)]);
    }

    #[test]
    fn what_is_taken_is_gone_and_the_rest_stays() {
        let list = [stretch(0, 10), stretch(20, 30)];
        let taken = [stretch(2, 4), stretch(8, 22), stretch(40, 50)];
        assert_eq!(
            Stretch::without(&list, &taken),
            [stretch(0, 2), stretch(4, 8), stretch(22, 30)]
        );
        assert_eq!(Stretch::without(&list, &[]), list);
        assert_eq!(Stretch::without(&list, &[stretch(0, 99)]), []);
    }
}
