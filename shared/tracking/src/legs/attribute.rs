//! Whose a leg is, as long as it lasts and behind its end.

use sidetone_model::{Attribution, NotOurs, Timestamp};

/// Returns who is on a leg, and since when that is known, from what was said of it before and
/// what the roster says, which was asked for `asked_at`.
///
/// The same answer keeps its time, so that saving it again changes nothing. Not being able to
/// ask again does not undo an answer, nor does what somebody asked before it was given; whose
/// call it was, once it is over, a later move does not change.
pub(crate) fn attribution_of(
    known: Option<&(Attribution, Timestamp)>,
    who: Attribution,
    is_over: bool,
    asked_at: Timestamp,
    now: Timestamp,
) -> (Attribution, Timestamp) {
    let failed = Attribution::NotOurs(NotOurs::LookupFailed);
    let keeps = |(before, since): &&(Attribution, Timestamp)| {
        let is_answer = *before != failed;
        *before == who || who == failed || is_answer && (is_over || *since > asked_at)
    };
    known.filter(keeps).cloned().unwrap_or((who, now))
}

#[cfg(test)]
mod tests {
    use sidetone_model::AgentId;

    use super::*;

    #[test]
    fn who_asked_before_an_agent_was_moved_does_not_move_the_agent_back() {
        let at = Timestamp::from_millis;
        let ada = Attribution::Ours(AgentId::new("ada"));
        let away = (Attribution::NotOurs(NotOurs::OtherAdaptor), at(50));
        let stale = attribution_of(Some(&away), ada.clone(), false, at(40), at(60));
        assert_eq!(stale, away);
        let fresh = attribution_of(Some(&away), ada.clone(), false, at(55), at(60));
        assert_eq!(fresh, (ada.clone(), at(60)));
        let failed = (Attribution::NotOurs(NotOurs::LookupFailed), at(50));
        let looked_up = attribution_of(Some(&failed), ada.clone(), true, at(40), at(60));
        assert_eq!(looked_up, (ada, at(60)));
    }
}
