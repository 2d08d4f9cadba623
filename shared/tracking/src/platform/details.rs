//! The conversation details query: calls that nobody told of, from analytics' records.

use std::collections::BTreeSet;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use sidetone_model::{Timestamp, UserId};
use sidetone_notification_proto::{CallRecord, RecordPage};

use super::budget::Urgency;
use super::client::{PlatformClient, Request};
use super::error::PlatformError;

/// Records of one page: what Genesys' own code asks for.
const PAGE_RECORDS: usize = 100;

/// The most users that a query names; for more the organization's calls are read and sorted
/// out here, which is fewer requests.
const USERS_MAX: usize = 100;

/// How long before the gap a call may have begun: a conversation is found only if it began on
/// a day that the interval touches.
const CALL_LENGTH_MAX: Duration = Duration::from_secs(2 * 24 * 3_600);

/// How far Genesys' clock may be ahead of ours.
const CLOCK_SKEW_MAX: Duration = Duration::from_secs(600);

/// Which calls to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Those that go on.
    Open,
    /// Those that ended, the latest first.
    Ended,
}

/// What to ask the records for.
#[derive(Debug, Clone)]
pub(crate) struct DetailsQuery {
    wanted: Wanted,
    interval: String,
    users: BTreeSet<UserId>,
}

impl DetailsQuery {
    /// Describes voice calls of these users since the beginning of a gap.
    pub(crate) fn new(
        wanted: Wanted,
        from: Timestamp,
        now: Timestamp,
        users: &BTreeSet<UserId>,
    ) -> Self {
        let begin = from.min(now) - CALL_LENGTH_MAX;
        let interval = format!("{begin}/{}", now + CLOCK_SKEW_MAX);
        let users = if users.len() <= USERS_MAX { users.clone() } else { BTreeSet::new() };
        Self { wanted, interval, users }
    }

    fn body(&self, page: usize) -> Value {
        let predicate = |dimension: &str, operator: &str, value: Option<String>| {
            let mut predicate =
                json!({"type": "dimension", "dimension": dimension, "operator": operator});
            if let Some(value) = value {
                predicate["value"] = value.into();
            }
            predicate
        };
        let (ends, order_by) = match self.wanted {
            Wanted::Open => ("notExists", "conversationStart"),
            Wanted::Ended => ("exists", "conversationEnd"),
        };
        let voice = predicate("mediaType", "matches", Some("voice".to_owned()));
        let mut segments = vec![json!({"type": "and", "predicates": [voice]})];
        if !self.users.is_empty() {
            let users = self.users.iter();
            let users: Vec<_> =
                users.map(|user| predicate("userId", "matches", Some(user.to_string()))).collect();
            segments.push(json!({"type": "or", "predicates": users}));
        }
        json!({
            "interval": self.interval,
            "order": "desc",
            "orderBy": order_by,
            "paging": {"pageSize": PAGE_RECORDS, "pageNumber": page},
            "conversationFilters": [
                {"type": "and", "predicates": [predicate("conversationEnd", ends, None)]}
            ],
            "segmentFilters": segments,
        })
    }
}

/// One page of records.
#[derive(Debug)]
pub(crate) struct Records {
    pub(crate) records: Vec<CallRecord>,
    /// Whether another page may follow.
    pub(crate) more: bool,
}

impl PlatformClient {
    /// Reads one page of a query, from 1. May wait until Genesys' rate limit has room.
    pub(crate) async fn records(
        &self,
        query: &DetailsQuery,
        page: usize,
    ) -> Result<Records, PlatformError> {
        let request = Request {
            method: Method::POST,
            body: Some(query.body(page)),
            urgency: Urgency::Patient,
            // It changes nothing over there.
            is_idempotent: true,
            ..Request::get("query conversations", "/api/v2/analytics/conversations/details/query")
        };
        let page: RecordPage = self.value(request).await?;
        Ok(Records { more: page.records.len() >= PAGE_RECORDS, records: page.records })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s61_the_interval_begins_a_day_and_more_before_the_gap() {
        let now: Timestamp = "2026-08-15T10:00:00Z".parse().unwrap();
        let from = now - Duration::from_secs(90);
        let query = DetailsQuery::new(Wanted::Open, from, now, &BTreeSet::new());
        let body = query.body(3);
        assert_eq!(body["interval"], "2026-08-13T09:58:30.000Z/2026-08-15T10:10:00.000Z");
        assert_eq!(body["paging"], json!({"pageSize": 100, "pageNumber": 3}));
        assert_eq!(body["segmentFilters"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn s59_few_users_are_named_and_many_are_not() {
        let users = |count: u32| -> BTreeSet<UserId> {
            (0..count)
                .map(|number| format!("6b1e0c52-5a5e-4f0b-9a57-{number:012x}").parse().unwrap())
                .collect()
        };
        let named = |count| {
            let now = Timestamp::from_millis(0);
            let query = DetailsQuery::new(Wanted::Ended, now, now, &users(count));
            query.body(1)["segmentFilters"].as_array().map(Vec::len)
        };
        assert_eq!((named(100), named(101)), (Some(2), Some(1)));
    }
}
