//! Reading the file: all of it, or a list of what is wrong with it.

use std::collections::HashMap;
use std::io::Read;

use csv::StringRecord;
use sidetone_model::{Adaptor, AgentId, Pii, User};

use crate::columns::COLUMNS;
use crate::decode::{Text, TextEncoding, decode};
use crate::fault::{FaultKind, FieldError, FileError, RowError, RowErrors};
use crate::fields::{Fields, doubts};
use crate::header::{ColumnMapping, ColumnRules, Header};
use crate::rows::{Row, Rows, SEPARATORS, declared_separator};

/// The most rows, besides the header and empty ones.
pub const ROWS_MAX: usize = 50_000;
/// How many faults, or doubts, are named; beyond that they are counted.
const NAMED_MAX: usize = 1_000;

/// How a file is read that does not say everything itself.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// Whether columns that are not known are left out, instead of refusing the file.
    pub ignore_unknown: bool,
    /// Which columns are which fields, beside the usual names.
    pub mappings: Vec<ColumnMapping>,
    /// The encoding of a file that is not UTF-8 and has no byte order mark.
    pub encoding: Option<TextEncoding>,
}

/// The users of a file without a bad row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserFile {
    /// In the order of the file.
    pub users: Vec<User>,
    /// The fields that the file has a column for; the others say nothing.
    pub fields: Vec<&'static str>,
    /// The columns that were left out, as the file calls them.
    pub ignored: Vec<String>,
    /// Users who can be stored and whom no call will be matched to; the first of them.
    pub doubts: Vec<RowError>,
    /// How many such doubts there are.
    pub doubt_count: usize,
    /// The encoding, by its name in the WHATWG Encoding Standard.
    pub encoding: &'static str,
}

impl UserFile {
    /// Returns the fields that the file says nothing about: who exists keeps them.
    pub fn kept(&self) -> Vec<&'static str> {
        COLUMNS.into_iter().filter(|column| !self.fields.contains(column)).collect()
    }
}

/// Reads a file of users.
///
/// **Shape** CSV with a header, separated by commas, semicolons, tabs or what a first line `sep=;`
/// says; UTF-8, or another encoding with a byte order mark, or the one that `options` name. Columns
/// in any order, by the usual names; only name and email are needed. Empty rows are skipped.
/// Errors: [`FileError`]; its rows name number, column, value and reason.
pub fn read(input: impl Read, options: &ReadOptions) -> Result<UserFile, FileError> {
    let Text { text, encoding } = decode(input, options.encoding)?;
    let rules = ColumnRules { mappings: &options.mappings, ignore_unknown: options.ignore_unknown };
    let (declared, text) = declared_separator(&text);
    let separator = declared.unwrap_or_else(|| separator(text, &rules));
    let mut rows = Rows::new(text, separator)?;
    let Some(Row { number, record }) = rows.next() else {
        let reason = "the file is empty".to_owned();
        return Err(FileError::Header { row: 1, reason });
    };
    let mut reading = Reading::new(Header::new(number, &record, &rules)?);
    for row in rows {
        reading.take(&row)?;
    }
    reading.finish(encoding)
}

/// Returns the separator with which the first row is a header.
fn separator(text: &str, rules: &ColumnRules<'_>) -> u8 {
    let rated = SEPARATORS.into_iter().rev().filter_map(|separator| {
        let separator = u8::try_from(separator).ok()?;
        // A quote that never ends concerns rows after the header; it is reported later.
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(separator)
            .from_reader(text.as_bytes());
        let mut records = reader.records().map_while(Result::ok);
        let header = records.find(|record| record.iter().any(|field| !field.trim().is_empty()))?;
        Some(((rules.known(&header), header.len()), separator))
    });
    rated.max_by_key(|(rating, _)| *rating).map_or(b',', |(_, separator)| separator)
}

struct Reading {
    header: Header,
    users: Vec<User>,
    /// Which row each telephony agent id is in.
    seen: HashMap<AgentId, u64>,
    doubts: Vec<RowError>,
    doubt_count: usize,
    errors: RowErrors,
}

impl Reading {
    fn new(header: Header) -> Self {
        Self {
            header,
            users: Vec::new(),
            seen: HashMap::new(),
            doubts: Vec::new(),
            doubt_count: 0,
            errors: RowErrors::default(),
        }
    }

    fn take(&mut self, Row { number, record }: &Row) -> Result<(), FileError> {
        self.errors.rows += 1;
        if self.errors.rows > ROWS_MAX {
            return Err(FileError::TooLong { max: ROWS_MAX });
        }
        let before = self.errors.faults();
        self.check(*number, record);
        if self.errors.faults() > before {
            self.errors.bad_rows += 1;
        }
        Ok(())
    }

    fn check(&mut self, row: u64, record: &StringRecord) {
        let mut fields = self.header.fields_of(record);
        if let Some(reason) = self.header.misfit(record) {
            let error = FieldError::new("row", FaultKind::FieldCount, "", &reason);
            self.refuse(row, &fields, error);
            return;
        }
        if !self.header.fields().contains(&"adaptor") {
            fields.adaptor = Adaptor::GenesysCloud.as_str();
        }
        let repeated = fields.agent_id().and_then(|agent| self.repeated(row, agent));
        match fields.check() {
            Ok(user) if repeated.is_none() => {
                for doubt in doubts(&user) {
                    self.doubt_count += 1;
                    if self.doubts.len() < NAMED_MAX {
                        self.doubts.push(self.row_error(row, &fields, doubt));
                    }
                }
                self.users.push(user);
            }
            Ok(_) => {}
            Err(errors) => errors.into_iter().for_each(|error| self.refuse(row, &fields, error)),
        }
        if let Some(error) = repeated {
            self.refuse(row, &fields, error);
        }
    }

    /// Says that another row has this id, if one has.
    fn repeated(&mut self, row: u64, agent: AgentId) -> Option<FieldError> {
        if let Some(other) = self.seen.get(&agent) {
            let reason = format!(
                "is the same as that of row {other}: two people cannot share one, as the domain is ignored"
            );
            let column = "telephony_agent_id";
            return Some(FieldError::new(column, FaultKind::Repeated, agent.as_str(), &reason));
        }
        self.seen.insert(agent, row);
        None
    }

    fn refuse(&mut self, row: u64, fields: &Fields<'_>, error: FieldError) {
        *self.errors.totals.entry((error.column, error.kind)).or_default() += 1;
        if self.errors.first.len() < NAMED_MAX {
            let error = self.row_error(row, fields, error);
            self.errors.first.push(error);
        }
    }

    fn row_error(&self, row: u64, fields: &Fields<'_>, error: FieldError) -> RowError {
        let FieldError { column, kind, value, reason } = error;
        let person = Pii::new(fields.name.trim().to_owned());
        let name = self.header.name(column).to_owned();
        RowError { row, column: name, field: column, kind, value, person, reason }
    }

    fn finish(self, encoding: &'static str) -> Result<UserFile, FileError> {
        if self.errors.bad_rows > 0 {
            return Err(FileError::Rows(Box::new(self.errors)));
        }
        Ok(UserFile {
            users: self.users,
            fields: self.header.fields(),
            ignored: self.header.ignored,
            doubts: self.doubts,
            doubt_count: self.doubt_count,
            encoding,
        })
    }
}

#[cfg(test)]
mod tests;
