//! Fields that a spreadsheet would take for formulas, made harmless and read back.
//!
//! A spreadsheet runs what begins like a formula, whoever wrote it. An apostrophe before it
//! makes it text. Only such fields are touched, and an apostrophe that was there already before
//! one gets another, so that reading takes away exactly what writing put there.
//! Source: OWASP, "CSV Injection".

use std::borrow::Cow;

/// What a formula begins with; the wide forms count in East Asian versions.
const BEGINNINGS: [char; 10] =
    ['=', '+', '-', '@', '\t', '\r', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];

/// Makes a field harmless.
///
/// Control characters, which nobody can enter here, are written as their visible pictures.
pub(crate) fn escape(field: &str) -> Cow<'_, str> {
    let shown = if field.chars().any(char::is_control) {
        Cow::Owned(field.chars().map(picture).collect())
    } else {
        Cow::Borrowed(field)
    };
    if is_dangerous(field) { Cow::Owned(format!("'{shown}")) } else { shown }
}

/// Takes back what [`escape`] did.
pub(crate) fn unescape(field: &str) -> &str {
    match field.strip_prefix('\'') {
        Some(rest) if is_dangerous(rest) => rest,
        Some(_) | None => field,
    }
}

fn is_dangerous(field: &str) -> bool {
    field.trim_start_matches('\'').starts_with(BEGINNINGS)
}

fn picture(character: char) -> char {
    match u32::from(character) {
        code @ 0..0x20 => char::from_u32(0x2400 + code).unwrap_or('\u{fffd}'),
        0x7f => '\u{2421}',
        _ if character.is_control() => '\u{fffd}',
        _ => character,
    }
}
