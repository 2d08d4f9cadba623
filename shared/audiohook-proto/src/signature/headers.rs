//! The headers of an upgrade as they came: each within its limit, the ones that matter once.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::refusal::Refusal;

/// Headers of one request; the real client sends about a dozen, proxies add as many.
pub const HEADERS_MAX: usize = 128;

/// Bytes of `Signature-Input`; the real client's has about 300.
pub const SIGNATURE_INPUT_BYTES_MAX: usize = 8_192;

/// Bytes of `Signature`; one of 32 bytes takes 51.
pub const SIGNATURE_BYTES_MAX: usize = 2_048;

/// Bytes of any other header that a signature covers.
pub const COVERED_BYTES_MAX: usize = 8_192;

/// Bytes of path and query.
pub const TARGET_BYTES_MAX: usize = 8_192;

/// Bytes of one `Audiohook-…` header; a UUID takes 36.
const AUDIOHOOK_BYTES_MAX: usize = 256;

/// Headers that must not stand twice, with their largest sizes.
const ONCE: [(&str, usize); 7] = [
    ("x-api-key", super::KEY_ID_BYTES_MAX),
    ("signature", SIGNATURE_BYTES_MAX),
    ("signature-input", SIGNATURE_INPUT_BYTES_MAX),
    ("audiohook-organization-id", AUDIOHOOK_BYTES_MAX),
    ("audiohook-session-id", AUDIOHOOK_BYTES_MAX),
    ("audiohook-correlation-id", AUDIOHOOK_BYTES_MAX),
    ("audiohook-retry-attempt", AUDIOHOOK_BYTES_MAX),
];

/// The header fields by lower-cased name, values as received.
pub(super) struct Headers<'h>(BTreeMap<Cow<'h, str>, Vec<&'h [u8]>>);

impl<'h> Headers<'h> {
    /// Collects the fields.
    ///
    /// Errors: too many, a guarded one twice, a guarded one too large.
    pub(super) fn collect(
        fields: impl IntoIterator<Item = (&'h str, &'h [u8])>,
    ) -> Result<Self, Refusal> {
        let mut by_name: BTreeMap<Cow<'h, str>, Vec<&'h [u8]>> = BTreeMap::new();
        for (count, (name, value)) in fields.into_iter().enumerate() {
            if count >= HEADERS_MAX {
                return Err(Refusal::TooManyHeaders);
            }
            by_name.entry(lower_case(name)).or_default().push(value);
        }
        let headers = Self(by_name);
        headers.check_guarded()?;
        Ok(headers)
    }

    fn check_guarded(&self) -> Result<(), Refusal> {
        for (name, values) in &self.0 {
            let known = ONCE.iter().find(|(known, _)| known == name).copied();
            let guarded = known.or_else(|| {
                name.starts_with("audiohook-").then_some(("audiohook-*", AUDIOHOOK_BYTES_MAX))
            });
            let Some((name, bytes_max)) = guarded else { continue };
            if values.len() > 1 {
                return Err(Refusal::DuplicateHeader { name });
            }
            if values.iter().any(|value| value.len() > bytes_max) {
                return Err(Refusal::TooLarge { name });
            }
        }
        Ok(())
    }

    /// Returns a guarded header as trimmed text; absent if it is not there.
    ///
    /// Errors: it is not visible ASCII with blanks.
    pub(super) fn text(&self, name: &'static str) -> Result<Option<&'h str>, Refusal> {
        let Some(value) = self.0.get(name).and_then(|values| values.first()) else {
            return Ok(None);
        };
        let trimmed = trim(value);
        let plain = trimmed.iter().all(|byte| matches!(byte, b' '..=b'~'));
        match std::str::from_utf8(trimmed) {
            Ok(text) if plain => Ok(Some(text)),
            Ok(_) | Err(_) => Err(Refusal::Malformed { name }),
        }
    }

    /// Returns the value that a signature covers: fields of one name trimmed, joined by `, `,
    /// an obsolete fold written as one blank.
    ///
    /// Errors: absent, too large, or with a line break that is no fold.
    pub(super) fn covered(&self, name: &str) -> Result<Vec<u8>, Refusal> {
        let values = self.0.get(name).ok_or(Refusal::UnknownComponent)?;
        let mut joined = Vec::new();
        for (index, value) in values.iter().enumerate() {
            if joined.len() + value.len() > COVERED_BYTES_MAX {
                return Err(Refusal::TooLarge { name: "covered header" });
            }
            if index > 0 {
                joined.extend_from_slice(b", ");
            }
            unfold_into(trim(value), &mut joined)?;
        }
        Ok(joined)
    }
}

fn lower_case(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn trim(value: &[u8]) -> &[u8] {
    let mut trimmed = value;
    while let [first, rest @ ..] = trimmed
        && is_blank(*first)
    {
        trimmed = rest;
    }
    while let [rest @ .., last] = trimmed
        && is_blank(*last)
    {
        trimmed = rest;
    }
    trimmed
}

/// Appends a value with each fold, blanks around it included, written as one blank.
fn unfold_into(value: &[u8], into: &mut Vec<u8>) -> Result<(), Refusal> {
    let start = into.len();
    let mut rest = value;
    while let [first, after @ ..] = rest {
        let broken = match rest {
            [b'\r', b'\n', after @ ..] | [b'\n', after @ ..] => Some(after),
            _ => None,
        };
        if let Some(after) = broken {
            if !after.first().is_some_and(|byte| is_blank(*byte)) {
                return Err(Refusal::Malformed { name: "covered header" });
            }
            while into.len() > start && into.last().is_some_and(|byte| is_blank(*byte)) {
                into.pop();
            }
            into.push(b' ');
            rest = trim(after);
        } else if matches!(first, b'\r' | 0) {
            return Err(Refusal::Malformed { name: "covered header" });
        } else {
            into.push(*first);
            rest = after;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covered(fields: &[(&str, &str)]) -> Result<String, Refusal> {
        let headers =
            Headers::collect(fields.iter().map(|(name, value)| (*name, value.as_bytes())))?;
        Ok(String::from_utf8(headers.covered("x-note")?).unwrap())
    }

    #[test]
    fn values_are_trimmed_joined_and_unfolded() {
        assert_eq!(covered(&[("X-Note", " \t a b \t")]).unwrap(), "a b");
        assert_eq!(covered(&[("x-note", "a"), ("X-NOTE", " b")]).unwrap(), "a, b");
        assert_eq!(covered(&[("x-note", "a \r\n \t b")]).unwrap(), "a b");
        assert_eq!(covered(&[("x-note", "")]).unwrap(), "");
    }

    #[test]
    fn a_line_break_that_is_no_fold_is_refused() {
        for value in ["a\r\nb", "a\nb", "a\rb", "a\n", "a\0b"] {
            assert_eq!(
                covered(&[("x-note", value)]),
                Err(Refusal::Malformed { name: "covered header" }),
                "{value:?}"
            );
        }
    }
}
