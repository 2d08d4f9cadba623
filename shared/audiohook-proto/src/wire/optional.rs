//! Fields that a session can do without: whatever their value is, the message is read.
//!
//! Source: docs/wire/audiohook.md, "Client messages".

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Reads a field, or leaves it at its default if the value is not of its type.
pub(super) fn read<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    let value = Box::<RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(&without_lone_surrogates(value.get())).unwrap_or_default())
}

/// Replaces each escaped half of a surrogate pair that stands alone by U+FFFD.
///
/// JSON's grammar allows them and JavaScript writes them, where a name was cut in the middle of
/// an emoji; Rust's strings have no place for them.
pub(super) fn without_lone_surrogates(json: &str) -> Cow<'_, str> {
    let bytes = json.as_bytes();
    let mut lone = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'\\' {
            at += 1;
            continue;
        }
        match code_unit(bytes, at) {
            Some(0xD800..=0xDBFF)
                if matches!(code_unit(bytes, at + ESCAPE_BYTES), Some(0xDC00..=0xDFFF)) =>
            {
                at += 2 * ESCAPE_BYTES;
            }
            Some(0xD800..=0xDFFF) => {
                lone.push(at);
                at += ESCAPE_BYTES;
            }
            // Another escape: a backslash and one more byte.
            Some(_) | None => at += 2,
        }
    }
    if lone.is_empty() {
        return Cow::Borrowed(json);
    }
    let mut repaired = json.to_owned();
    for at in lone {
        repaired.replace_range(at..at + ESCAPE_BYTES, "\\ufffd");
    }
    Cow::Owned(repaired)
}

/// The length of `\uXXXX`.
const ESCAPE_BYTES: usize = 6;

/// Returns the code unit that is escaped at a place, if one is.
fn code_unit(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + ESCAPE_BYTES)?.strip_prefix(b"\\u")?;
    let mut unit = 0;
    for &digit in digits {
        unit = unit * 16 + char::from(digit).to_digit(16)?;
    }
    Some(unit)
}
