//! What is left of a refusal: a line with its cause, and a count. The client learns nothing.

use std::fmt::Display;

use http::HeaderMap;
use sidetone_audiohook_proto::Refusal;
use sidetone_model::OrganizationId;

use crate::authenticator::ORGANIZATION;

/// Counts a refused request and logs its cause if that is `logged`; `peer` is who sent it.
pub fn note_refused(refusal: Refusal, headers: &HeaderMap, peer: &dyn Display, logged: bool) {
    note_refused_for(refusal.label(), &refusal, headers, peer, logged);
}

/// Like [`note_refused`], for a cause that only one door knows: `label` for the count, `cause`
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
