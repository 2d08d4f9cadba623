//! The conversation details query: finding calls that nobody told of.
//!
//! Analytics follows what happens with a lag, and finds a conversation only if it began on a
//! day that the interval touches.
//! Source: genesys-cloud.md, section 4.3.

use std::collections::VecDeque;

use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use sidetone_model::Timestamp;

use super::answer::{Answer, ApiError};
use super::call::Call;
use super::quota::MINUTE;
use super::violation::Breach;
use super::world::World;
use crate::conversation::Recorded;

/// What a role needs for the query.
const PERMISSION: &str = "analytics:conversationDetail:view";

/// Records of a page if the request does not say.
const PAGE_DEFAULT: usize = 25;

/// Records of the largest page: what is used everywhere.
const PAGE_MAX: usize = 100;

const MILLIS_PER_DAY: i64 = 24 * 3_600 * 1_000;

/// The states of one conversation that analytics shows or will show.
#[derive(Debug, Default)]
pub(crate) struct Records(VecDeque<(Timestamp, Recorded)>);

impl Records {
    /// Adds a state that shows from `visible_at` on.
    pub(crate) fn add(&mut self, now: Timestamp, visible_at: Timestamp, record: Recorded) {
        while self.0.get(1).is_some_and(|(next, _)| *next <= now) {
            self.0.pop_front();
        }
        self.0.push_back((visible_at, record));
    }

    fn shown(&self, now: Timestamp) -> Option<Value> {
        let mut newest_first = self.0.iter().rev();
        newest_first.find(|(visible_at, _)| *visible_at <= now).map(|(_, record)| record.write())
    }
}

/// The query's body.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Query {
    interval: String,
    #[serde(default)]
    conversation_filters: Vec<Filter>,
    #[serde(default)]
    segment_filters: Vec<Filter>,
    #[serde(default)]
    order: Order,
    #[serde(default)]
    order_by: OrderBy,
    #[serde(default)]
    paging: Paging,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Order {
    #[default]
    Asc,
    Desc,
    Unordered,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
enum OrderBy {
    #[default]
    ConversationStart,
    ConversationEnd,
    SegmentStart,
    SegmentEnd,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Paging {
    #[serde(default = "page_default")]
    page_size: usize,
    #[serde(default = "first_page")]
    page_number: usize,
}

impl Default for Paging {
    fn default() -> Self {
        Self { page_size: PAGE_DEFAULT, page_number: 1 }
    }
}

const fn page_default() -> usize {
    PAGE_DEFAULT
}

const fn first_page() -> usize {
    1
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    #[serde(rename = "type")]
    joins: Joins,
    #[serde(default)]
    clauses: Vec<Clause>,
    #[serde(default)]
    predicates: Vec<Predicate>,
}

/// A filter within a filter; there is no third level.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Clause {
    #[serde(rename = "type")]
    joins: Joins,
    #[serde(default)]
    predicates: Vec<Predicate>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Joins {
    And,
    Or,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Predicate {
    #[serde(rename = "type")]
    _kind: PredicateKind,
    dimension: String,
    operator: Operator,
    #[serde(default)]
    value: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum PredicateKind {
    Dimension,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Operator {
    Matches,
    Exists,
    NotExists,
}

/// What conversations can be filtered by.
const CONVERSATION_DIMENSIONS: [&str; 4] =
    ["conversationId", "conversationStart", "conversationEnd", "originatingDirection"];

/// What segments can be filtered by: fields of the segment, its session or its participant.
const SEGMENT_DIMENSIONS: [&str; 9] = [
    "mediaType",
    "userId",
    "purpose",
    "direction",
    "queueId",
    "segmentType",
    "segmentStart",
    "segmentEnd",
    "disconnectType",
];

impl World {
    /// Answers `POST /api/v2/analytics/conversations/details/query`.
    pub(super) fn query_details(
        &mut self,
        now: Timestamp,
        call: &Call,
    ) -> Result<Answer, ApiError> {
        if self.config.missing_permissions.contains(PERMISSION) {
            let words = "Unable to perform the requested action. You are missing the following \
                         permission(s): analytics:conversationDetail:view";
            return Err(ApiError::new(StatusCode::FORBIDDEN, "missing.permissions", words));
        }
        if !call.is_of_type("application/json") {
            let got = call.header(header::CONTENT_TYPE).unwrap_or_default().to_owned();
            self.blame(now, Breach::WrongContentType { path: call.path(), got });
            return Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported.media.type",
                "Unsupported media type.",
            ));
        }
        let body = call.body.as_deref().unwrap_or_default();
        let query: Query = serde_json::from_slice(body)
            .map_err(|error| self.malformed(now, "bad.request", error.to_string()))?;
        let days = self.checked(now, &query)?;
        if query.paging.page_number == 1 {
            let in_minute = self.details_queries.note(now, MINUTE);
            if in_minute > self.config.limits.details_queries_per_minute {
                self.blame(now, Breach::DetailsPolled { in_minute });
            }
        }
        self.stats.details_pages += 1;
        Ok(Answer::ok(&self.page_of(now, &query, days)))
    }

    fn malformed(&mut self, now: Timestamp, code: &'static str, what: String) -> ApiError {
        self.blame(now, Breach::MalformedQuery { what: what.clone() });
        ApiError::bad_request(code, what)
    }

    /// Returns the days that the interval touches, if all of the query can be.
    fn checked(&mut self, now: Timestamp, query: &Query) -> Result<(i64, i64), ApiError> {
        let interval = query.interval.split_once('/').and_then(|(from, to)| {
            let (from, to) = (from.parse::<Timestamp>().ok()?, to.parse::<Timestamp>().ok()?);
            (from < to).then_some((day_of(from), day_of(to)))
        });
        let Some(days) = interval else {
            return Err(self.malformed(now, "invalid.date", "the interval is none".to_owned()));
        };
        let known = |filters: &[Filter], dimensions: &[&str]| {
            let own = filters.iter().flat_map(|filter| &filter.predicates);
            let inner = filters.iter().flat_map(|filter| &filter.clauses);
            own.chain(inner.flat_map(|clause| &clause.predicates))
                .find(|it| {
                    let wants_value = it.operator == Operator::Matches;
                    !dimensions.contains(&it.dimension.as_str())
                        || wants_value != it.value.is_some()
                })
                .map(|it| it.dimension.clone())
        };
        let wrong = known(&query.conversation_filters, &CONVERSATION_DIMENSIONS)
            .or_else(|| known(&query.segment_filters, &SEGMENT_DIMENSIONS));
        if let Some(dimension) = wrong {
            let what = format!("no such predicate of {dimension}");
            return Err(self.malformed(now, "invalid.property", what));
        }
        if query.paging.page_size > PAGE_MAX {
            let asked = query.paging.page_size;
            self.blame(now, Breach::PageTooLarge { asked, allowed: PAGE_MAX });
            return Err(ApiError::bad_request("invalid.value", "pageSize is too large"));
        }
        if query.paging.page_size == 0 || query.paging.page_number == 0 {
            return Err(self.malformed(now, "invalid.value", "pages begin at 1".to_owned()));
        }
        Ok(days)
    }

    fn page_of(&self, now: Timestamp, query: &Query, (first, last): (i64, i64)) -> Value {
        let mut found: Vec<Value> = self
            .conversations
            .values()
            .filter_map(|kept| kept.records.shown(now))
            .filter(|record| {
                let day = moment_of(record, "conversationStart").map(day_of);
                day.is_some_and(|day| (first..=last).contains(&day))
            })
            .filter(|record| is_wanted(record, query))
            .collect();
        let key = |record: &Value| match query.order_by {
            OrderBy::ConversationStart | OrderBy::SegmentStart => {
                moment_of(record, "conversationStart")
            }
            OrderBy::ConversationEnd | OrderBy::SegmentEnd => moment_of(record, "conversationEnd"),
        };
        match query.order {
            Order::Asc => found.sort_by_key(|record| key(record)),
            Order::Desc => found.sort_by_key(|record| std::cmp::Reverse(key(record))),
            Order::Unordered => {}
        }
        let skipped = query.paging.page_size.saturating_mul(query.paging.page_number - 1);
        let page: Vec<&Value> = found.iter().skip(skipped).take(query.paging.page_size).collect();
        let mut answer = json!({ "totalHits": found.len() });
        // As the platform does: no list where there is nothing to list.
        if !page.is_empty() {
            answer["conversations"] = json!(page);
        }
        answer
    }
}

fn day_of(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(MILLIS_PER_DAY)
}

fn moment_of(record: &Value, name: &str) -> Option<Timestamp> {
    record.get(name)?.as_str()?.parse().ok()
}

fn is_wanted(record: &Value, query: &Query) -> bool {
    let of_conversation = |predicate: &Predicate| predicate.holds_for(&[record]);
    let conversation = query.conversation_filters.iter().all(|it| it.holds(&of_conversation));
    let no_filter = query.segment_filters.is_empty();
    conversation
        && (no_filter
            || segments_of(record).iter().any(|places| {
                let of_segment = |predicate: &Predicate| predicate.holds_for(places);
                query.segment_filters.iter().all(|it| it.holds(&of_segment))
            }))
}

/// Returns every segment with its session and its participant.
fn segments_of(record: &Value) -> Vec<[&Value; 3]> {
    let mut all = Vec::new();
    for participant in items(record, "participants").into_iter().flatten() {
        for session in items(participant, "sessions").into_iter().flatten() {
            for segment in items(session, "segments").into_iter().flatten() {
                all.push([segment, session, participant]);
            }
        }
    }
    all
}

impl Filter {
    fn holds(&self, predicate: &impl Fn(&Predicate) -> bool) -> bool {
        let clauses = self.clauses.iter().map(|it| {
            let holds: Vec<bool> = it.predicates.iter().map(predicate).collect();
            it.joins.of(&holds)
        });
        let holds: Vec<bool> = clauses.chain(self.predicates.iter().map(predicate)).collect();
        self.joins.of(&holds)
    }
}

impl Joins {
    fn of(self, holds: &[bool]) -> bool {
        match self {
            Self::And => holds.iter().all(|holds| *holds),
            Self::Or => holds.iter().any(|holds| *holds),
        }
    }
}

impl Predicate {
    /// Returns whether it holds for a thing and what it is part of, the inmost first.
    fn holds_for(&self, places: &[&Value]) -> bool {
        let found = places.iter().find_map(|place| place.get(&self.dimension));
        match self.operator {
            Operator::Exists => found.is_some(),
            Operator::NotExists => found.is_none(),
            Operator::Matches => {
                let wanted = self.value.as_deref().unwrap_or_default();
                found.and_then(Value::as_str).is_some_and(|it| it.eq_ignore_ascii_case(wanted))
            }
        }
    }
}

fn items<'a>(value: &'a Value, name: &str) -> Option<&'a Vec<Value>> {
    value.get(name).and_then(Value::as_array)
}
