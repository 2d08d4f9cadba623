//! Sets of media as lists of stretches, in order and apart from each other.

use sidetone_genesys_sim::Stretch;
use sidetone_model::Position;

/// Samples per channel in a millisecond.
const SAMPLES_PER_MS: u64 = 8;

/// Puts stretches in order and makes one of those that touch or overlap.
pub(super) fn joined(stretches: impl IntoIterator<Item = Stretch>) -> Vec<Stretch> {
    let mut sorted: Vec<Stretch> = stretches.into_iter().filter(|one| !one.is_empty()).collect();
    sorted.sort_unstable();
    let mut list: Vec<Stretch> = Vec::with_capacity(sorted.len());
    for stretch in sorted {
        match list.last_mut() {
            Some(last) if stretch.from <= last.to => last.to = last.to.max(stretch.to),
            Some(_) | None => list.push(stretch),
        }
    }
    list
}

/// Returns what two lists have in common.
pub(super) fn common(one: &[Stretch], other: &[Stretch]) -> Vec<Stretch> {
    let pairs = one.iter().flat_map(|a| other.iter().filter_map(|b| a.common(*b)));
    joined(pairs)
}

/// Returns what is in `list` and not in `taken`, both put in order first.
pub(super) fn without(list: &[Stretch], taken: &[Stretch]) -> Vec<Stretch> {
    Stretch::without(&joined(list.iter().copied()), &joined(taken.iter().copied()))
}

/// Counts the samples of a list.
pub(super) fn samples(list: &[Stretch]) -> u64 {
    list.iter().map(|stretch| stretch.samples()).sum()
}

/// Converts samples to milliseconds; a part of one counts as a whole.
pub(super) const fn millis_up(samples: u64) -> u64 {
    samples.div_ceil(SAMPLES_PER_MS)
}

/// Returns the media within some milliseconds of any of the edges of a list.
pub(super) fn around_edges(list: &[Stretch], millis: u64) -> Vec<Stretch> {
    let reach = millis * SAMPLES_PER_MS;
    let edges = list.iter().flat_map(|stretch| [stretch.from, stretch.to]);
    joined(edges.map(|edge| {
        let from = Position::from_samples(edge.samples().saturating_sub(reach));
        Stretch::new(from, edge.plus_samples(reach))
    }))
}

/// Says where the first of a list lies.
pub(super) fn place_of_first(list: &[Stretch]) -> String {
    list.first().map_or_else(String::new, |first| {
        format!("from {} ms to {} ms", first.from.as_millis(), millis_up(first.to.samples()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch(from: u64, to: u64) -> Stretch {
        Stretch::new(Position::from_samples(from), Position::from_samples(to))
    }

    #[test]
    fn lists_are_sets() {
        let list = joined([stretch(8, 12), stretch(0, 4), stretch(3, 5), stretch(5, 6)]);
        assert_eq!(list, [stretch(0, 6), stretch(8, 12)]);
        assert_eq!(samples(&list), 10);
        let other = [stretch(5, 9), stretch(11, 20)];
        assert_eq!(common(&list, &other), [stretch(5, 6), stretch(8, 9), stretch(11, 12)]);
        assert_eq!(without(&list, &other), [stretch(0, 5), stretch(9, 11)]);
    }

    #[test]
    fn edges_reach_both_ways() {
        assert_eq!(around_edges(&[stretch(4, 100)], 1), [stretch(0, 12), stretch(92, 108)]);
        assert_eq!((millis_up(0), millis_up(1), millis_up(8), millis_up(9)), (0, 1, 1, 2));
    }
}
