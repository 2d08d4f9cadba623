//! The name of a part of a running session: what is in it, never where it came from.
//!
//! Streams number their records each in its own way, and deliver them again in other batches.
//! A part that is named by its content has the same name whoever keeps it and however often.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use sidetone_model::{ConnectionId, OrganizationId, SessionId};

/// The session that parts belong to: one of one organization, as another may have the same id.
///
/// **Shape** of the text: `<organization>_<session>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordedSession {
    /// The organization, from the verified handshake.
    pub organization: OrganizationId,
    /// The session.
    pub session: SessionId,
}

impl fmt::Display for RecordedSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.organization, self.session)
    }
}

impl FromStr for RecordedSession {
    type Err = PartNameError;

    fn from_str(text: &str) -> Result<Self, PartNameError> {
        let read = || {
            let (organization, session) = text.split_once('_')?;
            Some(Self { organization: organization.parse().ok()?, session: session.parse().ok()? })
        };
        read().ok_or_else(|| PartNameError { text: text.into() })
    }
}

/// Names a part: every record of one connection from the first number to the last.
///
/// Ordered by connection, then by number. Its text is fit for a file's name and for the last
/// piece of an S3 key, and returns what it was made of.
///
/// Shape of the text: `<connection>.<first>-<last>`, numbers in 20 digits, and `.end` behind
/// if the session's end is in it. Of a connection's id, letters and digits stay as they are,
/// and so does the hyphen; every other byte is `_` and two hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartName {
    /// The connection that produced the records.
    pub connection: ConnectionId,
    /// The number of the first.
    pub first: u64,
    /// The number of the last.
    pub last: u64,
    /// Whether one of them says that the session ended.
    pub ends: bool,
}

/// Encoded records of one session, as the name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Whose they are.
    pub session: RecordedSession,
    /// Which they are.
    pub name: PartName,
    /// One or more encoded messages, one behind the other.
    pub data: Bytes,
}

/// A text that names no part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a part: {text:?}")]
pub struct PartNameError {
    /// The text.
    pub text: Box<str>,
}

/// What marks the part with the session's end.
const END: &str = ".end";

impl fmt::Display for PartName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.connection.as_str().bytes() {
            if is_plain(byte) {
                write!(f, "{}", char::from(byte))?;
            } else {
                write!(f, "_{byte:02x}")?;
            }
        }
        let end = if self.ends { END } else { "" };
        write!(f, ".{:020}-{:020}{end}", self.first, self.last)
    }
}

impl FromStr for PartName {
    type Err = PartNameError;

    fn from_str(text: &str) -> Result<Self, PartNameError> {
        read(text).ok_or_else(|| PartNameError { text: text.into() })
    }
}

fn read(text: &str) -> Option<PartName> {
    let (rest, ends) = match text.strip_suffix(END) {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    let (connection, numbers) = rest.split_once('.')?;
    let (first, last) = numbers.split_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    let connection = ConnectionId::new(decoded(connection)?);
    (first <= last).then_some(PartName { connection, first, last, ends })
}

fn number(text: &str) -> Option<u64> {
    // One text for each number.
    (text.len() == 20 && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(())?;
    text.parse().ok()
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        if is_plain(byte) {
            bytes.push(byte);
            rest = behind;
            continue;
        }
        let [high, low, behind @ ..] = behind else { return None };
        if byte != b'_' {
            return None;
        }
        let byte = nibble(*high)? << 4 | nibble(*low)?;
        if is_plain(byte) {
            return None;
        }
        bytes.push(byte);
        rest = behind;
    }
    String::from_utf8(bytes).ok()
}

const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

const fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(connection: &str, first: u64, last: u64, ends: bool) -> PartName {
        PartName { connection: ConnectionId::new(connection), first, last, ends }
    }

    #[test]
    fn any_connection_makes_a_name_that_leads_back() {
        let texts = ["", "c-1", "AbC1d2EFoAMCJvg=", "a/b+c", "..", "_", "x.1-2.end", "ü\u{0}\n"];
        for (connection, ends) in texts.into_iter().flat_map(|one| [(one, true), (one, false)]) {
            let name = name(connection, 1, u64::MAX, ends);
            let text = name.to_string();
            assert_eq!(text.parse(), Ok(name));
            let is_safe = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
            assert!(text.chars().all(is_safe) && !text.contains("/"), "{text}");
        }
        assert_eq!(
            name("L0SM9c/=", 7, 12, true).to_string(),
            "L0SM9c_2f_3d.00000000000000000007-00000000000000000012.end"
        );
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let one = "00000000000000000001";
        let two = "00000000000000000002";
        for text in [
            String::new(),
            "c".into(),
            format!("c.{one}"),
            format!("c.{two}-{one}"),
            format!("c.1-{one}"),
            format!("c.{one}-+0000000000000000002"),
            format!("c.{one}-99999999999999999999"),
            format!("c.{one}-{two}.END"),
            format!("c/d.{one}-{two}"),
            format!("_.{one}-{two}"),
            format!("_4.{one}-{two}"),
            format!("_2F.{one}-{two}"),
            format!("_61.{one}-{two}"),
            format!("_ff.{one}-{two}"),
        ] {
            assert!(text.parse::<PartName>().is_err(), "{text}");
        }
    }

    #[test]
    fn names_stand_in_the_order_of_their_numbers() {
        let mut names = [name("d", 1, 1, false), name("c", 10, 12, true), name("c", 9, 9, false)];
        names.sort();
        assert_eq!(names.map(|name| name.first), [9, 10, 1]);
    }
}
