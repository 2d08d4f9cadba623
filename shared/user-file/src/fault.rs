//! What is wrong with a field, a row or a file.

use std::collections::BTreeMap;
use std::fmt;

use sidetone_model::Pii;

/// What kind of fault a field has, for counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// A field that is needed is empty.
    Empty,
    /// A field is too long.
    TooLong,
    /// A field has a character that cannot be seen or told apart.
    UnwantedCharacter,
    /// A username is no e-mail address.
    NotAnAddress,
    /// A field is none of the words that are known.
    UnknownValue,
    /// Two rows have one telephony agent id.
    Repeated,
    /// A row has another number of fields than the header.
    FieldCount,
    /// A user may be stored, and no call will ever be matched to it.
    NeverMatched,
}

impl FaultKind {
    /// Returns the kind in words, as totals name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong => "too long",
            Self::UnwantedCharacter => "invisible or unusable character",
            Self::NotAnAddress => "not an e-mail address",
            Self::UnknownValue => "unknown value",
            Self::Repeated => "repeated",
            Self::FieldCount => "wrong number of fields",
            Self::NeverMatched => "never matched",
        }
    }
}

/// One bad field.
///
/// `Display` leaves out the value: it may be logged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{column}: {reason}")]
pub struct FieldError {
    /// Which, by the name of its column.
    pub column: &'static str,
    /// What kind of fault it is.
    pub kind: FaultKind,
    /// The value as it was given.
    pub value: Pii<String>,
    /// What is wrong, and what would be right; never the value.
    pub reason: String,
}

impl FieldError {
    pub(crate) fn new(column: &'static str, kind: FaultKind, value: &str, reason: &str) -> Self {
        Self { column, kind, value: Pii::new(value.to_owned()), reason: reason.to_owned() }
    }

    /// Returns the fault with the value, for the person who typed it.
    pub fn shown(&self) -> String {
        format!("{}: {}{}", self.column, quoted(self.value.reveal()), self.reason)
    }
}

/// One fault of a row.
///
/// `Display` leaves out the value and the person: it may be logged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("row {row}, {column}: {reason}")]
pub struct RowError {
    /// Which row, counted as a spreadsheet counts: blank ones and the header too.
    pub row: u64,
    /// Which column, as the file's own header calls it; `row` for all of it.
    pub column: String,
    /// Which column, by the name it has here; `row` for all of it.
    pub field: &'static str,
    /// What kind of fault it is.
    pub kind: FaultKind,
    /// The value as it is in the file.
    pub value: Pii<String>,
    /// The name of the person in that row.
    pub person: Pii<String>,
    /// What is wrong, and what would be right; never the value.
    pub reason: String,
}

impl RowError {
    /// Returns the fault with value and person, for the person whose file it is.
    pub fn shown(&self) -> String {
        let person = match (self.field, self.person.reveal().as_str()) {
            ("name", _) | (_, "") => String::new(),
            (_, person) => format!(" ({})", cut(person)),
        };
        let value = quoted(self.value.reveal());
        format!("row {}{person}, {}: {value}{}", self.row, self.column, self.reason)
    }
}

/// How much of a value is shown.
const SHOWN_CHARACTERS_MAX: usize = 60;

fn quoted(value: &str) -> String {
    if value.is_empty() { String::new() } else { format!("\"{}\" ", cut(value)) }
}

fn cut(value: &str) -> String {
    let mut shown: String = value.chars().take(SHOWN_CHARACTERS_MAX).collect();
    if value.chars().nth(SHOWN_CHARACTERS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// Everything that is wrong with the rows of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RowErrors {
    /// The first faults, in the order of the file.
    pub first: Vec<RowError>,
    /// How many rows have a fault.
    pub bad_rows: usize,
    /// How many rows the file has, without header and empty rows.
    pub rows: usize,
    /// How many faults there are of each kind, by the column they are in.
    pub totals: BTreeMap<(&'static str, FaultKind), usize>,
}

impl RowErrors {
    /// Returns how many faults there are.
    pub fn faults(&self) -> usize {
        self.totals.values().sum()
    }
}

impl fmt::Display for RowErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bad_rows, rows, .. } = self;
        let (bad_rows, rows, faults) = (grouped(*bad_rows), grouped(*rows), self.faults());
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        let verb = if self.bad_rows == 1 { "is" } else { "are" };
        write!(f, "{bad_rows} of {rows} row{} {verb} bad", plural(self.rows))?;
        write!(f, " ({} fault{}); nothing was imported", grouped(faults), plural(faults))
    }
}

/// Writes a number with commas between its thousands.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Why a file gives no users.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read as a file.
    #[error("the file cannot be read")]
    Read(#[source] std::io::Error),
    /// It is larger than 5 MiB.
    #[error("the file is larger than 5 MiB ({max} bytes)")]
    TooLarge {
        /// The limit.
        max: u64,
    },
    /// It is no text.
    #[error("this is {what}, not a CSV file: {remedy}")]
    NotText {
        /// What it is.
        what: &'static str,
        /// What to do about it.
        remedy: &'static str,
    },
    /// It is text in an encoding that has to be named, as guessing could change people's names.
    #[error(
        "row {row}: the file is not UTF-8; in Windows-1252, which Excel's plain \"CSV\" has in \
         western Europe, the first such character is \"{reads_as}\". Save it as \"CSV UTF-8 \
         (Comma delimited)\", or name its encoding"
    )]
    Encoding {
        /// The row of the first character that is not UTF-8.
        row: u64,
        /// What that character is in Windows-1252.
        reads_as: String,
    },
    /// It does not have the encoding that was named.
    #[error("row {row}: the file is not {encoding}, which was named as its encoding")]
    OtherEncoding {
        /// The row of the first character that cannot be decoded.
        row: u64,
        /// The encoding.
        encoding: &'static str,
    },
    /// A quoted field does not end.
    #[error("the quote opened in row {row} never ends: close it, or remove the \" there")]
    OpenQuote {
        /// The row.
        row: u64,
    },
    /// Its header has columns that are not known.
    #[error("row {row} (the header): {}", unknown(.columns))]
    UnknownColumns {
        /// The row.
        row: u64,
        /// Their names, as the file has them, each with the known one that is closest.
        columns: Vec<(String, Option<&'static str>)>,
    },
    /// Its header is wrong in another way.
    #[error("row {row} (the header): {reason}")]
    Header {
        /// The row.
        row: u64,
        /// What is wrong.
        reason: String,
    },
    /// It has too many rows.
    #[error("the file has more than 50,000 rows besides its header ({max} is the limit)")]
    TooLong {
        /// The limit.
        max: usize,
    },
    /// Some rows are bad; none was taken.
    #[error("{0}")]
    Rows(Box<RowErrors>),
}

fn unknown(columns: &[(String, Option<&'static str>)]) -> String {
    let named = columns.iter().map(|(name, near)| match near {
        Some(near) => format!("\"{}\" (did you mean {near}?)", cut(name)),
        None => format!("\"{}\"", cut(name)),
    });
    let named = named.collect::<Vec<_>>().join(", ");
    let what = if columns.len() == 1 { "is not a column" } else { "are not columns" };
    format!("{named} {what} of a file of users, which has {}", crate::columns::COLUMNS.join(", "))
}
