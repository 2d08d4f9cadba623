//! What is left of a refusal: a line with its cause, and a count. The client learns nothing.

use std::fmt::Display;

use http::HeaderMap;
use sidetone_audiohook_proto::Refusal;
use sidetone_model::OrganizationId;
use sidetone_ports::SecretSource;

use crate::authenticator::{Authenticator, ORGANIZATION};

impl<K: SecretSource> Authenticator<K> {
    /// Counts a refused request and logs its cause if that is `logged`; `peer` is who sent it.
    ///
    /// A key that was used for another organization is named by its fingerprint, with the
    /// organizations that it belongs to.
    pub fn note_refused(
        &self,
        refusal: Refusal,
        headers: &HeaderMap,
        peer: &dyn Display,
        logged: bool,
    ) {
        let cause = self.cause_of(refusal, headers);
        note_refused_for(refusal.label(), &cause, headers, peer, logged);
    }

    /// Returns the cause of a refusal in words.
    pub(crate) fn cause_of(&self, refusal: Refusal, headers: &HeaderMap) -> String {
        let key = match refusal == Refusal::OrganizationNotBound {
            true => self.key_of(headers),
            false => None,
        };
        let Some(key) = key else { return refusal.to_string() };
        let organizations: Vec<String> = key.organizations().map(|id| id.to_string()).collect();
        let (key, organizations) = (key.id().fingerprint(), organizations.join(", "));
        format!("{refusal}: key {key} belongs to {organizations}")
    }
}

/// Counts and logs like [`Authenticator::note_refused`], for a cause that only one door knows: `label` for the count, `cause`
/// in words.
///
/// The organization is what the request claims, and is shown only if it has the form of one.
pub fn note_refused_for(
    label: &'static str,
    cause: &dyn Display,
    headers: &HeaderMap,
    peer: &dyn Display,
    logged: bool,
) {
    metrics::counter!("sidetone_refusals_total", "reason" => label).increment(1);
    if !logged {
        return;
    }
    tracing::warn!(
        refusal = label,
        claimed_organization = claimed_organization(headers).map(tracing::field::display),
        %peer,
        "refused: {cause}"
    );
}

/// Returns the organization that a request claims to be of, if that has the form of one; nobody
/// has proved it.
pub fn claimed_organization(headers: &HeaderMap) -> Option<OrganizationId> {
    headers.get(ORGANIZATION)?.to_str().ok()?.trim().parse().ok()
}
