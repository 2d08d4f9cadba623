//! From the bytes of a file to its text: the encodings that spreadsheets write, and a name for
//! what is no text.
//!
//! Refuses: guessing an encoding. Windows-1252 decodes everything, and a name from another code
//! page would be another name.

use std::io::{self, Read};
use std::str::FromStr;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use crate::fault::FileError;

/// The largest file.
///
/// Units: bytes; 5 MiB.
pub const FILE_BYTES_MAX: u64 = 5 * 1024 * 1024;

/// The encoding of a file's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextEncoding(&'static Encoding);

/// A name that no encoding has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no known encoding; expected a name such as utf-8, windows-1252 or windows-1250")]
pub struct UnknownEncoding;

impl FromStr for TextEncoding {
    type Err = UnknownEncoding;

    fn from_str(name: &str) -> Result<Self, UnknownEncoding> {
        Encoding::for_label(name.as_bytes()).map(Self).ok_or(UnknownEncoding)
    }
}

/// The text of a file.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) text: String,
    /// Whether it was in UTF-8, with or without a byte order mark.
    pub(crate) encoding: &'static str,
}

/// Reads all of a file and returns its text.
pub(crate) fn decode(input: impl Read, named: Option<TextEncoding>) -> Result<Text, FileError> {
    let mut bytes = whole(input)?;
    if let Some(error) = no_text(&bytes) {
        return Err(error);
    }
    let (encoding, mark_bytes) = match Encoding::for_bom(&bytes) {
        Some((encoding, mark_bytes)) => (encoding, mark_bytes),
        None => (named.map_or(UTF_8, |TextEncoding(named)| named), 0),
    };
    let body = &bytes[mark_bytes..];
    if ![UTF_16LE, UTF_16BE].contains(&encoding) && body.contains(&0) {
        return Err(FileError::NotText {
            what: "UTF-16 without a byte order mark, or no text at all",
            remedy: SAVE_AS_CSV,
        });
    }
    if encoding == UTF_8 && std::str::from_utf8(body).is_ok() {
        bytes.drain(..mark_bytes);
        // What was just checked is not copied: files are large, and functions small.
        let text = String::from_utf8(bytes).unwrap_or_default();
        return Ok(Text { text, encoding: encoding.name() });
    }
    if let Some(text) = encoding.decode_without_bom_handling_and_without_replacement(body) {
        return Ok(Text { text: text.into_owned(), encoding: encoding.name() });
    }
    Err(undecoded(body, encoding, mark_bytes > 0 || named.is_some()))
}

const SAVE_AS_CSV: &str = "open it in the spreadsheet, choose \"CSV UTF-8 (Comma delimited)\" under Save As, and import \
     that file";

fn whole(input: impl Read) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    let read = input.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    let read: io::Result<usize> = read;
    if read.map_err(FileError::Read)? as u64 > FILE_BYTES_MAX {
        return Err(FileError::TooLarge { max: FILE_BYTES_MAX });
    }
    Ok(bytes)
}

/// Names what is no text by how it begins.
fn no_text(bytes: &[u8]) -> Option<FileError> {
    const ZIP: &[u8] = b"PK\x03\x04";
    const OLE: &[u8] = &[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];
    let beginning = &bytes[..bytes.len().min(1024)];
    let is_open_document = beginning.windows(12).any(|window| window == b"opendocument");
    let (what, remedy) = if bytes.starts_with(ZIP) && is_open_document {
        ("an OpenDocument spreadsheet", SAVE_AS_CSV)
    } else if bytes.starts_with(ZIP) || bytes.starts_with(OLE) {
        ("an Excel workbook", SAVE_AS_CSV)
    } else if bytes.starts_with(&[0x1f, 0x8b]) {
        ("a gzip archive", "import the CSV file that is in it")
    } else if bytes.starts_with(b"%PDF-") {
        ("a PDF document", SAVE_AS_CSV)
    } else {
        return None;
    };
    Some(FileError::NotText { what, remedy })
}

/// Says where the first character is that could not be decoded, and what it may be.
fn undecoded(body: &[u8], encoding: &'static Encoding, was_named: bool) -> FileError {
    let valid = Encoding::utf8_valid_up_to(body);
    if was_named || encoding != UTF_8 {
        let valid = if encoding == UTF_8 { valid } else { 0 };
        return FileError::OtherEncoding { row: row_at(body, valid), encoding: encoding.name() };
    }
    let (reads_as, _) = WINDOWS_1252.decode_without_bom_handling(&body[valid..=valid]);
    FileError::Encoding { row: row_at(body, valid), reads_as: reads_as.into_owned() }
}

/// Returns the line of a place, from one.
fn row_at(body: &[u8], place: usize) -> u64 {
    let before = &body[..place];
    let lines = before.iter().filter(|byte| **byte == b'\n').count();
    let lines =
        if lines == 0 { before.iter().filter(|byte| **byte == b'\r').count() } else { lines };
    lines as u64 + 1
}
