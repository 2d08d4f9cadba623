//! Reading the file: all of it, or a list of what is wrong with it.

use std::collections::BTreeMap;
use std::io::Read;

use csv::{ReaderBuilder, StringRecord, Trim};
use sidetone_model::{Adaptor, AgentId, Pii, User, UserStatus, agent_id_of_username};

use crate::columns::{COLUMNS, USERNAME};

/// The largest file.
///
/// Units: bytes; 5 MiB.
const FILE_BYTES_MAX: u64 = 5 * 1024 * 1024;
/// The most rows.
const ROWS_MAX: usize = 50_000;
/// The longest field.
///
/// Units: bytes.
const FIELD_BYTES_MAX: usize = 1_024;
/// How many bad rows are named; beyond that they are counted.
const ERRORS_MAX: usize = 1_000;

/// The users of a file without a bad row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserFile {
    /// In the order of the file.
    pub users: Vec<User>,
}

/// One bad row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("row {row}, {column}: {reason}")]
pub struct RowError {
    /// Which row; the heading is row 1.
    pub row: u64,
    /// Which column, or `row` for all of it.
    pub column: String,
    /// What is wrong, and what would be right; never what stood there.
    pub reason: String,
}

/// Why a file gives no users.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read as a file.
    #[error("the file cannot be read")]
    Read(#[source] std::io::Error),
    /// It is larger than 5 MiB.
    #[error("the file is larger than {max} bytes")]
    TooLarge {
        /// The limit.
        max: u64,
    },
    /// Its heading is wrong.
    #[error("the heading (row 1): {0}")]
    Heading(String),
    /// Some rows are bad; none was taken.
    #[error("{count} bad {}; nothing was imported", if *count == 1 { "row" } else { "rows" })]
    Rows {
        /// The first of them.
        errors: Vec<RowError>,
        /// How many there are.
        count: usize,
    },
}

/// Reads a file of users.
///
/// **Shape** CSV in UTF-8, with or without a byte order mark, with a heading of `COLUMNS` in
/// any order; `username` may stand for `email`; of the others only `name`, one of these two
/// and `adaptor` are needed.
/// Errors: [`FileError`]; its rows name number, column and reason.
pub fn read(input: impl Read) -> Result<UserFile, FileError> {
    let mut bytes = Vec::new();
    input.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(FileError::Read)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(FileError::TooLarge { max: FILE_BYTES_MAX });
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let mut reader = ReaderBuilder::new().trim(Trim::All).flexible(true).from_reader(bytes);
    let heading =
        reader.headers().map_err(|error| FileError::Heading(unreadable(&error).into()))?;
    let heading = Heading::new(heading)?;
    let mut rows = Rows::new(heading);
    for record in reader.records() {
        rows.take(record);
    }
    rows.finish()
}

/// Where each column stands.
struct Heading {
    places: BTreeMap<&'static str, usize>,
    columns: usize,
}

impl Heading {
    fn new(names: &StringRecord) -> Result<Self, FileError> {
        let mut places = BTreeMap::new();
        for (place, name) in names.iter().enumerate() {
            let name = name.to_lowercase().replace([' ', '-'], "_");
            let name = if name == USERNAME { "email" } else { &name };
            let Some(column) = COLUMNS.iter().find(|column| **column == name) else {
                return Err(FileError::Heading(format!(
                    "column {} is called {name:?}, which is none of {}",
                    place + 1,
                    COLUMNS.join(", "),
                )));
            };
            if places.insert(*column, place).is_some() {
                return Err(FileError::Heading(format!("{column} stands twice")));
            }
        }
        for needed in ["name", "email", "adaptor"] {
            if !places.contains_key(needed) {
                return Err(FileError::Heading(format!("{needed} is missing")));
            }
        }
        Ok(Self { places, columns: names.len() })
    }

    fn field<'r>(&self, row: &'r StringRecord, column: &str) -> &'r str {
        self.places.get(column).and_then(|place| row.get(*place)).unwrap_or_default()
    }
}

struct Rows {
    heading: Heading,
    users: Vec<User>,
    /// Which row each telephony agent id stands in.
    seen: BTreeMap<AgentId, u64>,
    errors: Vec<RowError>,
    error_count: usize,
    row: u64,
}

impl Rows {
    fn new(heading: Heading) -> Self {
        Self {
            heading,
            users: Vec::new(),
            seen: BTreeMap::new(),
            errors: Vec::new(),
            error_count: 0,
            row: 1,
        }
    }

    fn take(&mut self, record: Result<StringRecord, csv::Error>) {
        self.row += 1;
        let record = match record {
            Ok(record) => record,
            Err(error) => return self.refuse("row", unreadable(&error)),
        };
        if self.users.len() >= ROWS_MAX {
            return self.refuse("row", "the file has more than 50,000 rows");
        }
        if record.len() != self.heading.columns {
            let reason =
                format!("has {} fields, the heading has {}", record.len(), self.heading.columns);
            return self.refuse("row", &reason);
        }
        let before = self.error_count;
        let user = self.user(&record);
        if let (Some(user), true) = (user, self.error_count == before) {
            self.users.push(user);
        }
    }

    fn user(&mut self, record: &StringRecord) -> Option<User> {
        for column in COLUMNS {
            let field = self.heading.field(record, column);
            if field.len() > FIELD_BYTES_MAX {
                self.refuse(column, "is longer than 1,024 bytes");
            }
            if field.chars().any(char::is_control) {
                self.refuse(column, "holds a control character");
            }
        }
        let text = |rows: &Self, column| rows.heading.field(record, column).to_owned();
        let name = text(self, "name");
        if name.is_empty() {
            self.refuse("name", "is empty");
        }
        let username = text(self, "email");
        if username.is_empty() {
            self.refuse("email", "is empty");
        }
        let adaptor = self.one_of(record, "adaptor", None, Adaptor::ALL, Adaptor::as_str);
        let statuses = [UserStatus::Active, UserStatus::Inactive];
        let status =
            self.one_of(record, "status", Some(UserStatus::Active), statuses, UserStatus::as_str);
        let agent = self.agent(record, &username);
        Some(User {
            agent: agent?,
            name: Pii::new(name),
            username: Pii::new(username),
            adaptor: adaptor?,
            team: text(self, "team"),
            supervisor: text(self, "supervisor").to_lowercase(),
            site: text(self, "site"),
            status: status?,
        })
    }

    /// The id that is given, or else the local part of the username; nobody else's.
    fn agent(&mut self, record: &StringRecord, username: &str) -> Option<AgentId> {
        let given = self.heading.field(record, "telephony_agent_id");
        let agent = if given.is_empty() {
            agent_id_of_username(username)
        } else {
            Some(AgentId::new(given.to_lowercase()))
        };
        let Some(agent) = agent else {
            if !username.is_empty() {
                self.refuse("email", "has nothing before the @");
            }
            return None;
        };
        if agent.as_str().contains(char::is_whitespace) {
            self.refuse("telephony_agent_id", "holds a blank");
        }
        if let Some(other) = self.seen.get(&agent) {
            let reason = format!(
                "is the same as that of row {other}: two people cannot share one, as the domain is ignored"
            );
            self.refuse("telephony_agent_id", &reason);
            return None;
        }
        self.seen.insert(agent.clone(), self.row);
        Some(agent)
    }

    fn one_of<T: Copy, const N: usize>(
        &mut self,
        record: &StringRecord,
        column: &'static str,
        default: Option<T>,
        all: [T; N],
        name: impl Fn(T) -> &'static str,
    ) -> Option<T> {
        let field = self.heading.field(record, column).to_lowercase().replace([' ', '_'], "-");
        let found = match (field.is_empty(), default) {
            (true, Some(default)) => Some(default),
            _ => all.into_iter().find(|one| name(*one) == field),
        };
        if found.is_none() {
            let names: Vec<_> = all.into_iter().map(name).collect();
            self.refuse(column, &format!("is none of {}", names.join(", ")));
        }
        found
    }

    fn refuse(&mut self, column: &str, reason: &str) {
        self.error_count += 1;
        if self.errors.len() < ERRORS_MAX {
            let (column, reason) = (column.to_owned(), reason.to_owned());
            self.errors.push(RowError { row: self.row, column, reason });
        }
    }

    fn finish(self) -> Result<UserFile, FileError> {
        if self.error_count > 0 {
            return Err(FileError::Rows { errors: self.errors, count: self.error_count });
        }
        Ok(UserFile { users: self.users })
    }
}

fn unreadable(error: &csv::Error) -> &'static str {
    if matches!(error.kind(), csv::ErrorKind::Utf8 { .. }) {
        "is not UTF-8"
    } else {
        "cannot be read as CSV"
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::columns::SAMPLE;
    use crate::write::write;

    fn rows(text: &str) -> Vec<String> {
        match read(text.as_bytes()) {
            Err(FileError::Rows { errors, .. }) => errors.iter().map(ToString::to_string).collect(),
            other => panic!("expected bad rows, got {other:?}"),
        }
    }

    #[test]
    fn the_sample_is_good() {
        let file = read(SAMPLE.as_bytes()).unwrap();
        let agents: Vec<_> = file.users.iter().map(|user| user.agent.as_str()).collect();
        assert_eq!(agents, ["ada", "bo", "cy"]);
        assert_eq!(file.users[2].adaptor, Adaptor::Avaya);
    }

    #[test]
    fn a_byte_order_mark_other_names_and_another_order_are_fine() {
        let text = "\u{feff}Adaptor,USERNAME,Name\nGenesys Cloud,Ada@customer.example,Ada\n";
        let file = read(text.as_bytes()).unwrap();
        assert_eq!(file.users[0].agent.as_str(), "ada");
    }

    #[test]
    fn every_bad_row_is_named_and_nothing_is_taken() {
        let text = "name,email,adaptor,status\n\
            Ada,ada@a.example,genesys-cloud,active\n\
            ,bo@a.example,genesys-cloud,\n\
            Cy,@a.example,nortel,gone\n\
            Di,di@a.example,genesys-cloud\n\
            Ada Other,ADA@b.example,genesys-cloud,active\n";
        assert_eq!(
            rows(text),
            [
                "row 3, name: is empty",
                "row 4, adaptor: is none of genesys-cloud, genesys-engage, avaya, cisco",
                "row 4, status: is none of active, inactive",
                "row 4, email: has nothing before the @",
                "row 5, row: has 3 fields, the heading has 4",
                "row 6, telephony_agent_id: is the same as that of row 2: two people cannot share one, as the domain is ignored",
            ]
        );
    }

    #[test]
    fn an_unknown_column_is_named() {
        let error = read("name,email,adaptor,salary\n".as_bytes()).unwrap_err().to_string();
        assert!(error.contains("salary"), "{error}");
        let error = read("name,email\n".as_bytes()).unwrap_err().to_string();
        assert!(error.contains("adaptor is missing"), "{error}");
    }

    #[test]
    fn what_is_written_reads_the_same() {
        let file = read(SAMPLE.as_bytes()).unwrap();
        let mut text = Vec::new();
        write(&mut text, &file.users).unwrap();
        assert_eq!(read(text.as_slice()).unwrap(), file);
    }

    proptest! {
        #[test]
        fn no_file_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = read(bytes.as_slice());
        }
    }
}
