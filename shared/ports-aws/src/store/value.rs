//! Rows as DynamoDB returns them, and the few kinds of values in ours.
//!
//! Moments are numbers of milliseconds since the Unix epoch with up to three decimals, so that
//! none is rounded; `ttl` alone is whole seconds, as DynamoDB wants it.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use sidetone_model::Timestamp;
use sidetone_ports::{Revision, StoreError};

/// One row of a table.
pub(super) type Row = HashMap<String, AttributeValue>;

/// An attribute is missing or of another kind than this version writes.
#[derive(Debug, thiserror::Error)]
#[error("attribute {0} is missing or of another kind")]
struct Malformed(&'static str);

/// Returns the moment by the world's clock. What DynamoDB keeps lives by that one.
pub(super) fn wall_now() -> Timestamp {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(Timestamp::default(), |past| Timestamp::default() + past)
}

pub(super) fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(super) fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

pub(super) fn blob(bytes: Vec<u8>) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

/// Writes a revision so that text sorts as numbers do.
pub(super) fn padded(revision: Revision) -> String {
    format!("{revision:020}")
}

pub(super) fn moment(moment: Timestamp) -> AttributeValue {
    let micros = moment.as_micros();
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    AttributeValue::N(format!("{sign}{}.{:03}", micros / 1_000, micros % 1_000))
}

/// Returns the second after which DynamoDB may delete a row that expires at `moment`.
pub(super) fn ttl(moment: Timestamp) -> AttributeValue {
    AttributeValue::N((moment + Duration::from_secs(1)).as_secs().to_string())
}

pub(super) fn text_of<'a>(row: &'a Row, name: &'static str) -> Result<&'a str, StoreError> {
    match row.get(name) {
        Some(AttributeValue::S(text)) => Ok(text),
        Some(_) | None => Err(malformed(row, name)),
    }
}

pub(super) fn number_of(row: &Row, name: &'static str) -> Result<u64, StoreError> {
    match row.get(name) {
        Some(AttributeValue::N(text)) => text.parse().map_err(|_| malformed(row, name)),
        Some(_) | None => Err(malformed(row, name)),
    }
}

pub(super) fn moment_of(row: &Row, name: &'static str) -> Result<Timestamp, StoreError> {
    match row.get(name) {
        Some(AttributeValue::N(text)) => parse_moment(text).ok_or_else(|| malformed(row, name)),
        Some(_) | None => Err(malformed(row, name)),
    }
}

/// Writes a duration as whole milliseconds.
pub(super) fn milliseconds(duration: Duration) -> AttributeValue {
    number(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// Returns what changes in the row of an owner or a lease while its holder lives. An earlier
/// version wrote a moment instead, which changed as well.
pub(super) fn beat_of(row: &Row) -> Result<u64, StoreError> {
    match (row.contains_key("beat"), row.contains_key("until_ms")) {
        (true, _) => number_of(row, "beat"),
        (false, true) => {
            Ok(u64::try_from(moment_of(row, "until_ms")?.as_millis()).unwrap_or_default())
        }
        (false, false) => Ok(0),
    }
}

/// Returns how long a beat may stand still; nothing if an earlier version wrote the row.
pub(super) fn life_of(row: &Row) -> Result<Option<Duration>, StoreError> {
    let is_there = row.contains_key("life_ms");
    is_there.then(|| number_of(row, "life_ms").map(Duration::from_millis)).transpose()
}

/// Takes bytes out of a row, without copying them.
pub(super) fn take_bytes(row: &mut Row, name: &'static str) -> Result<Vec<u8>, StoreError> {
    match row.remove(name) {
        Some(AttributeValue::B(blob)) => Ok(blob.into_inner()),
        Some(_) | None => Err(malformed(row, name)),
    }
}

/// Says that a row cannot be read; names its place and never its contents.
pub(super) fn malformed(row: &Row, name: &'static str) -> StoreError {
    let place = |name| match row.get(name) {
        Some(AttributeValue::S(text)) => text.clone(),
        Some(_) | None => "?".to_owned(),
    };
    StoreError::Unreadable {
        what: format!("row {} of {}", place("sk"), place("pk")),
        source: Box::new(Malformed(name)),
    }
}

fn parse_moment(text: &str) -> Option<Timestamp> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let millis: i64 = whole.parse().ok()?;
    // DynamoDB drops zeros at the end.
    let micros: i64 = if rest.is_empty() { 0 } else { format!("{rest:0<3}").parse().ok()? };
    if micros > 999 {
        return None;
    }
    Some(Timestamp::from_micros(sign * millis.checked_mul(1_000)?.checked_add(micros)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_come_back_exactly() {
        for micros in [0, 1, 999, 1_000, 1_795_327_200_123_456, 1_795_327_200_120_000, -1, -1_500] {
            let AttributeValue::N(text) = moment(Timestamp::from_micros(micros)) else {
                panic!("a moment is a number");
            };
            assert_eq!(parse_moment(&text), Some(Timestamp::from_micros(micros)), "{text}");
            let shortened = text.trim_end_matches('0').trim_end_matches('.');
            let whole = if shortened.is_empty() { "0" } else { shortened };
            assert_eq!(parse_moment(whole), Some(Timestamp::from_micros(micros)), "{whole}");
        }
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in ["", "x", "1.x", "1.2345", "99999999999999999999"] {
            assert_eq!(parse_moment(text), None, "{text}");
        }
    }
}
