//! The rows of a file, numbered as a spreadsheet numbers them: empty ones count, and a field in
//! quotes may hold line breaks.
//!
//! The `csv` crate reads the fields. It neither counts empty rows nor reports a quote that never
//! ends, so this follows its rules for quotes (RFC 4180) over the whole text first.

use csv::{ReaderBuilder, StringRecord, StringRecordsIntoIter};

use crate::fault::FileError;

/// What may separate fields; the first wins where a header does not say.
pub(crate) const SEPARATORS: [char; 4] = [',', ';', '\t', '|'];

/// One row that is not empty.
pub(crate) struct Row {
    /// Which row, from one.
    pub(crate) number: u64,
    /// Its fields.
    pub(crate) record: StringRecord,
}

/// The rows of a text that have a field with something in it, in order.
pub(crate) struct Rows<'t> {
    numbers: std::vec::IntoIter<u64>,
    records: StringRecordsIntoIter<&'t [u8]>,
}

impl<'t> Rows<'t> {
    /// Begins to read.
    ///
    /// Errors: a quoted field does not end.
    pub(crate) fn new(text: &'t str, separator: u8) -> Result<Self, FileError> {
        let numbers = numbers(text, separator)?.into_iter();
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(separator)
            .from_reader(text.as_bytes());
        Ok(Self { numbers, records: reader.into_records() })
    }
}

impl Iterator for Rows<'_> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        loop {
            // Text that was decoded cannot fail to be read as CSV.
            let record = self.records.next()?.ok()?;
            let number = self.numbers.next()?;
            if record.iter().any(|field| !field.trim().is_empty()) {
                return Some(Row { number, record });
            }
        }
    }
}

/// Where the reading of a row is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    FieldStart,
    Unquoted,
    Quoted,
    QuoteInQuoted,
}

/// Returns the number of every row that has any characters.
fn numbers(text: &str, separator: u8) -> Result<Vec<u64>, FileError> {
    let mut numbers = Vec::new();
    let (mut number, mut opened_in, mut is_empty) = (1, 1, true);
    let mut state = State::FieldStart;
    let mut bytes = text.bytes().peekable();
    while let Some(byte) = bytes.next() {
        let ends_row = state != State::Quoted && matches!(byte, b'\r' | b'\n');
        if ends_row {
            if byte == b'\r' {
                bytes.next_if_eq(&b'\n');
            }
            if !is_empty {
                numbers.push(number);
            }
            (number, is_empty, state) = (number + 1, true, State::FieldStart);
            continue;
        }
        is_empty = false;
        state = match (state, byte) {
            (State::FieldStart, b'"') => {
                opened_in = number;
                State::Quoted
            }
            (State::Quoted, b'"') => State::QuoteInQuoted,
            (State::QuoteInQuoted, b'"') | (State::Quoted, _) => State::Quoted,
            (State::FieldStart | State::Unquoted | State::QuoteInQuoted, byte) => {
                if byte == separator { State::FieldStart } else { State::Unquoted }
            }
        };
    }
    if state == State::Quoted {
        return Err(FileError::OpenQuote { row: opened_in });
    }
    if !is_empty {
        numbers.push(number);
    }
    Ok(numbers)
}

/// Takes the line that Excel reads for the separator, `sep=;`, from the beginning of a text.
///
/// Excel shows no row for it, so the row after it is row 1.
pub(crate) fn declared_separator(text: &str) -> (Option<u8>, &str) {
    let (line, rest) = text.split_once(['\r', '\n']).unwrap_or((text, ""));
    let line = line.trim_matches('"');
    let named = line.get(..4).filter(|start| start.eq_ignore_ascii_case("sep="));
    let [separator] = named.and(line.as_bytes().get(4..)).unwrap_or_default() else {
        return (None, text);
    };
    let after_return = text.as_bytes().get(text.len() - rest.len() - 1) == Some(&b'\r');
    let rest = if after_return { rest.strip_prefix('\n').unwrap_or(rest) } else { rest };
    (Some(*separator).filter(u8::is_ascii), rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn numbered(text: &str) -> Vec<(u64, String)> {
        let rows = Rows::new(text, b',').unwrap();
        rows.map(|row| (row.number, row.record[0].to_owned())).collect()
    }

    #[test]
    fn rows_are_numbered_as_a_spreadsheet_numbers_them() {
        for end in ["\n", "\r\n", "\r"] {
            let text = ["h,a", "", ",,", "\"two", "lines\",b", "", "x"].join(end);
            let quoted = format!("two{end}lines");
            let expected = [(1, "h".to_owned()), (4, quoted), (6, "x".to_owned())];
            assert_eq!(numbered(&text), expected, "{end:?}");
        }
    }

    #[test]
    fn a_quote_that_never_ends_is_named_by_the_row_it_opens_in() {
        let error = Rows::new("a,b\n\nc,\"d\ne,f\n", b',').err().unwrap();
        assert!(error.to_string().contains("the quote opened in row 3 never ends"), "{error}");
        assert!(Rows::new("a,b\nc,d\"e\n", b',').is_ok(), "a quote within a field is a character");
    }

    #[test]
    fn the_line_that_names_the_separator_is_taken_away() {
        assert_eq!(declared_separator("sep=;\r\na;b"), (Some(b';'), "a;b"));
        assert_eq!(declared_separator("\"SEP=\t\"\na\tb"), (Some(b'\t'), "a\tb"));
        assert_eq!(declared_separator("sep=\n\nx"), (None, "sep=\n\nx"));
        assert_eq!(declared_separator("separator;x\n"), (None, "separator;x\n"));
    }

    proptest! {
        #[test]
        fn numbers_follow_the_reader(text in "[a,;\"\r\n ]{0,60}") {
            if let Ok(numbers) = numbers(&text, b',') {
                let mut reader = ReaderBuilder::new()
                    .has_headers(false)
                    .flexible(true)
                    .from_reader(text.as_bytes());
                prop_assert_eq!(numbers.len(), reader.records().count(), "{:?}", text);
            }
        }
    }
}
