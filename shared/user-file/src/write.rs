//! Writing the file, so that reading it again changes nothing.

use std::io::Write;

use csv::{QuoteStyle, WriterBuilder};
use sidetone_model::User;

use crate::columns::COLUMNS;
use crate::escape::escape;
use crate::fields::Fields;

/// For whom a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FileStyle {
    /// For programs: UTF-8 without a byte order mark.
    #[default]
    Plain,
    /// For Excel, which takes a file without a byte order mark for one in its own code page.
    Excel,
}

/// Writes users with every column, harmless to spreadsheets.
///
/// Everything is quoted: where a spreadsheet separates columns by semicolons, an unquoted one
/// would begin a field of its own.
/// Errors: those of `output`.
pub fn write<'u>(
    mut output: impl Write,
    users: impl IntoIterator<Item = &'u User>,
    style: FileStyle,
) -> Result<(), std::io::Error> {
    if style == FileStyle::Excel {
        output.write_all("\u{feff}".as_bytes())?;
    }
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
