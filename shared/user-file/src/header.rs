//! Which field each column of a file is, by what its header calls it.

use std::collections::BTreeMap;
use std::str::FromStr;

use csv::StringRecord;

use crate::closest::closest;
use crate::columns::{COLUMNS, column_named, spelling};
use crate::escape::unescape;
use crate::fault::FileError;
use crate::fields::Fields;

/// What every file must have a column for.
const NEEDED: [&str; 2] = ["name", "email"];

/// A column of a file that an administrator said is a field: `Department=team`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnMapping {
    column: String,
    field: &'static str,
}

/// A text that maps no column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected COLUMN=FIELD, where FIELD is one of {}",
    COLUMNS.join(", ")
)]
pub struct NoMapping;

impl FromStr for ColumnMapping {
    type Err = NoMapping;

    fn from_str(text: &str) -> Result<Self, NoMapping> {
        let (column, field) = text.rsplit_once('=').ok_or(NoMapping)?;
        let field = column_named(field).ok_or(NoMapping)?;
        if column.trim().is_empty() {
            return Err(NoMapping);
        }
        Ok(Self { column: column.trim().to_owned(), field })
    }
}

/// How columns are understood that a file of users does not usually have.
#[derive(Debug, Clone, Default)]
pub(crate) struct ColumnRules<'o> {
    pub(crate) mappings: &'o [ColumnMapping],
    pub(crate) ignore_unknown: bool,
}

impl ColumnRules<'_> {
    /// Returns the field that was said for a column.
    fn mapped(&self, name: &str) -> Option<&'static str> {
        let spelled = spelling(name);
        let same = |one: &&ColumnMapping| {
            one.column == name || (!spelled.is_empty() && spelling(&one.column) == spelled)
        };
        self.mappings.iter().find(same).map(|one| one.field)
    }

    /// Returns how many names of a row are known, to tell a header by.
    pub(crate) fn known(&self, names: &StringRecord) -> usize {
        let is_known = |name: &&str| self.mapped(name.trim()).or(column_named(name)).is_some();
        names.iter().filter(is_known).count()
    }
}

/// Where each column is, and what the file calls it.
#[derive(Debug)]
pub(crate) struct Header {
    /// By field: the place, and the name in the file.
    places: BTreeMap<&'static str, (usize, String)>,
    /// Which columns have a name; cells of the others must be empty.
    named: Vec<bool>,
    /// The columns that are not read.
    pub(crate) ignored: Vec<String>,
}

impl Header {
    /// Understands the header in a row.
    ///
    /// Errors: a column is not known, is there twice, or is missing.
    pub(crate) fn new(
        row: u64,
        names: &StringRecord,
        rules: &ColumnRules<'_>,
    ) -> Result<Self, FileError> {
        let names: Vec<&str> = names.iter().map(str::trim).collect();
        let bad = |reason: String| FileError::Header { row, reason };
        let mut places: BTreeMap<&'static str, (usize, String)> = BTreeMap::new();
        let mut unknown = Vec::new();
        let mapped: Vec<_> = names.iter().map(|name| rules.mapped(name)).collect();
        for (place, name) in names.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            // What was said to be a field is the only column for it.
            let usual = column_named(name).filter(|field| !mapped.contains(&Some(field)));
            let Some(field) = mapped[place].or(usual) else {
                unknown.push((*name).to_owned());
                continue;
            };
            if let Some((_, other)) = places.insert(field, (place, (*name).to_owned())) {
                let reason =
                    format!("\"{other}\" and \"{name}\" are both {field}; keep one of them");
                return Err(bad(reason));
            }
        }
        let absent = |one: &&ColumnMapping| !mapped.contains(&Some(one.field));
        if let Some(absent) = rules.mappings.iter().find(absent) {
            let reason = format!("no column is called \"{}\"; {}", absent.column, list(&names));
            return Err(bad(reason));
        }
        if places.is_empty() {
            let known = COLUMNS.join(", ");
            let separators = "separated by commas, semicolons or tabs";
            let reason = format!("no column is known; expected {known}, {separators}");
            return Err(bad(reason));
        }
        if !unknown.is_empty() && !rules.ignore_unknown {
            let near = |name: &String| closest(&spelling(name), &COLUMNS);
            let columns = unknown.into_iter().map(|name| (near(&name), name));
            let columns = columns.map(|(near, name)| (name, near)).collect();
            return Err(FileError::UnknownColumns { row, columns });
        }
        if let Some(needed) = NEEDED.into_iter().find(|needed| !places.contains_key(needed)) {
            return Err(bad(format!("no column for {needed}; {}", list(&names))));
        }
        let named = names.iter().map(|name| !name.is_empty()).collect();
        Ok(Self { places, named, ignored: unknown })
    }

    /// Returns the fields that the file has a column for.
    pub(crate) fn fields(&self) -> Vec<&'static str> {
        COLUMNS.into_iter().filter(|column| self.places.contains_key(column)).collect()
    }

    /// Returns what the file calls a field.
    pub(crate) fn name<'a>(&'a self, field: &'a str) -> &'a str {
        self.places.get(field).map_or(field, |(_, name)| name)
    }

    /// Says why a row does not fit the header.
    pub(crate) fn misfit(&self, record: &StringRecord) -> Option<String> {
        let beyond = |(place, field): (usize, &str)| {
            !self.named.get(place).copied().unwrap_or(false) && !field.trim().is_empty()
        };
        let last_named = self.named.iter().rposition(|named| *named).map_or(0, |place| place + 1);
        if record.len() >= last_named && !record.iter().enumerate().any(beyond) {
            return None;
        }
        let spans_lines = record.iter().any(|field| field.contains(['\r', '\n']));
        let why = if spans_lines { "; a quote opened in this row ends in a later one" } else { "" };
        Some(format!("has {} fields, the header has {}{why}", record.len(), self.named.len()))
    }

    /// Returns the fields of a row; those that the file has no column for are empty.
    pub(crate) fn fields_of<'r>(&self, record: &'r StringRecord) -> Fields<'r> {
        let field = |field| {
            let place = self.places.get(field).map(|(place, _)| *place);
            unescape(place.and_then(|place| record.get(place)).unwrap_or_default().trim())
        };
        Fields {
            name: field("name"),
            email: field("email"),
            telephony_agent_id: field("telephony_agent_id"),
            adaptor: field("adaptor"),
            team: field("team"),
            supervisor: field("supervisor"),
            site: field("site"),
            status: field("status"),
        }
    }
}

fn list(names: &[&str]) -> String {
    let names = names.iter().filter(|name| !name.is_empty());
    let names: Vec<_> = names.map(|name| format!("\"{name}\"")).collect();
    format!("the file has {}", names.join(", "))
}
