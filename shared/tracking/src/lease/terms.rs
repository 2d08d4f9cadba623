//! For how long a lease is taken, and how it is passed on.

use std::time::Duration;

use sidetone_model::OrganizationId;

/// Returns the name of the lease on an OAuth client's notification channels: Genesys counts
/// them by client, and whoever wants the lease knows the client before it knows the
/// organization. Where there are several clients, the first one names it for all.
pub fn lease_name(client_id: &str) -> String {
    format!("tracker-{client_id}")
}

/// Returns the name of the lease on an organization that is known beforehand, whichever OAuth
/// clients it has.
pub(crate) fn organization_lease(organization: OrganizationId) -> String {
    format!("tracker-organization-{organization}")
}

/// How a lease is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Which lease; see [`lease_name`].
    pub lease: String,
    /// Who holds it: another name for each time, as nobody comes back to what it held before.
    pub holder: String,
    /// How long to stay at most.
    pub hold: Duration,
    /// How often the lease is renewed.
    pub renew_every: Duration,
    /// For how long ahead: how long others must have seen the lease stand still before one of
    /// them takes it.
    pub renew_ahead: Duration,
    /// How long before the end the lease is offered to whoever asks next.
    pub offer_before: Duration,
    /// How long to listen on after the hand-over was seen: the successor signs in, lists the
    /// users and opens its sockets meanwhile.
    pub overlap: Duration,
    /// How long leaving in order may take.
    pub leave_within: Duration,
}

impl Terms {
    /// A lost renewal and two more tries lie within [`Terms::RENEW_AHEAD`].
    pub const RENEW_EVERY: Duration = Duration::from_secs(10);
    /// With a successor each minute that observes for so long, a killed holder is replaced
    /// within 90 s.
    pub const RENEW_AHEAD: Duration = Duration::from_secs(30);
    /// Somebody asks once a minute, give or take; the rest is for the overlap.
    pub const OFFER_BEFORE: Duration = Duration::from_secs(90);
    /// See [`Terms::overlap`].
    pub const OVERLAP: Duration = Duration::from_secs(20);
    /// See [`Terms::leave_within`].
    pub const LEAVE_WITHIN: Duration = Duration::from_secs(8);

    /// Describes a stay of `hold` on the usual terms; a short one is offered after its first
    /// third.
    pub fn new(lease: impl Into<String>, holder: impl Into<String>, hold: Duration) -> Self {
        Self {
            lease: lease.into(),
            holder: holder.into(),
            hold,
            renew_every: Self::RENEW_EVERY,
            renew_ahead: Self::RENEW_AHEAD,
            offer_before: Self::OFFER_BEFORE.min(hold * 2 / 3),
            overlap: Self::OVERLAP,
            leave_within: Self::LEAVE_WITHIN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_stay_is_offered_after_its_first_third() {
        let offered_after = |hold: u64| {
            let terms = Terms::new("l", "h", Duration::from_secs(hold));
            (terms.hold - terms.offer_before).as_secs()
        };
        assert_eq!((offered_after(840), offered_after(90), offered_after(0)), (750, 30, 0));
    }
}
