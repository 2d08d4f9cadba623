//! Writing the file, so that reading it again changes nothing.

use std::io::Write;

use csv::{QuoteStyle, WriterBuilder};
use sidetone_model::User;

use crate::columns::COLUMNS;
use crate::escape::escape;
use crate::fields::Fields;

/// Writes users with every column, harmless to spreadsheets.
///
/// Everything is quoted: where a spreadsheet separates columns by semicolons, an unquoted one
/// would begin a field of its own.
/// Errors: those of `output`.
pub fn write<'u>(
    output: impl Write,
    users: impl IntoIterator<Item = &'u User>,
) -> Result<(), std::io::Error> {
    let mut writer = WriterBuilder::new().quote_style(QuoteStyle::Always).from_writer(output);
    writer.write_record(COLUMNS)?;
    for user in users {
        for field in Fields::of(user).in_order() {
            writer.write_field(escape(field).as_bytes())?;
        }
        writer.write_record(None::<&[u8]>)?;
    }
    writer.flush()
}
