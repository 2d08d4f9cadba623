//! Whose a leg is, as long as it lasts and behind its end.

use sidetone_model::{Attribution, NotOurs, Timestamp};

/// Returns who is on a leg, and since when that is known, from what was said of it before and
/// what the roster says.
///
/// The same answer keeps its time, so that saving it again changes nothing. Not being able to
/// ask again does not undo an answer, and whose call it was, once it is over, a later move does
/// not change.
pub(crate) fn attribution_of(
    known: Option<&(Attribution, Timestamp)>,
    who: Attribution,
    is_over: bool,
    now: Timestamp,
) -> (Attribution, Timestamp) {
    let failed = Attribution::NotOurs(NotOurs::LookupFailed);
    let keeps = |(before, _): &&(Attribution, Timestamp)| {
        *before == who || who == failed || is_over && *before != failed
    };
    known.filter(keeps).cloned().unwrap_or((who, now))
}
