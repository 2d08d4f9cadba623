//! The known word that is closest to one which is not known.

/// From which similarity on two words are taken for the same one, misspelt.
const SIMILAR: f64 = 0.8;

/// Returns the most similar of some words; nothing if none is similar.
pub(crate) fn closest<'w>(word: &str, known: &[&'w str]) -> Option<&'w str> {
    let rated = known.iter().map(|one| (strsim::jaro_winkler(word, one), *one));
    let best = rated.max_by(|(one, _), (other, _)| one.total_cmp(other));
    best.filter(|(similarity, _)| *similarity >= SIMILAR).map(|(_, word)| word)
}
