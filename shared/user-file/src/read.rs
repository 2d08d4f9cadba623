//! Reading the file: all of it, or a list of what is wrong with it.

use std::collections::HashMap;
use std::io::{self, Read};

use csv::{ErrorKind, ReaderBuilder, StringRecord, Trim};
use sidetone_model::{AgentId, User};

use crate::columns::{COLUMNS, USERNAME};
use crate::escape::unescape;
use crate::fields::Fields;

/// The largest file.
///
/// Units: bytes; 5 MiB.
pub const FILE_BYTES_MAX: u64 = 5 * 1024 * 1024;
/// The most rows, besides the heading.
pub const ROWS_MAX: usize = 50_000;
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
    #[error("the file is larger than 5 MiB ({max} bytes)")]
    TooLarge {
        /// The limit.
        max: u64,
    },
    /// Its heading is wrong.
    #[error("the heading (row 1): {0}")]
    Heading(String),
    /// It has too many rows.
    #[error("the file has more than 50,000 rows besides its heading ({max} is the limit)")]
    TooLong {
        /// The limit.
        max: usize,
    },
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
    let limited = Limited { input, left: FILE_BYTES_MAX };
    let mut reader = ReaderBuilder::new().trim(Trim::All).flexible(true).from_reader(limited);
    let heading = match reader.headers() {
        Ok(heading) => heading,
        Err(error) => return Err(broken(error)),
    };
    let heading = Heading::new(heading)?;
    let mut rows = Rows::new(heading);
    let mut record = StringRecord::new();
    loop {
        match reader.read_record(&mut record) {
            Ok(false) => return rows.finish(),
            Ok(true) => rows.take(&record)?,
            Err(error) if matches!(error.kind(), ErrorKind::Io(_)) => {
                return Err(broken(error));
            }
            Err(error) => {
                rows.row += 1;
                rows.refuse("row", unreadable(&error));
            }
        }
    }
}

/// Stops reading with an error behind the largest file.
struct Limited<R> {
    input: R,
    left: u64,
}

/// What [`Limited`] says; never shown.
#[derive(Debug, thiserror::Error)]
#[error("the file is too large")]
struct TooLarge;

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => self.left = left,
            None => return Err(io::Error::other(TooLarge)),
        }
        Ok(read)
    }
}

/// Tells a file that cannot be read from a heading that cannot be understood.
fn broken(error: csv::Error) -> FileError {
    let words = unreadable(&error);
    let ErrorKind::Io(error) = error.into_kind() else {
        return FileError::Heading(words.to_owned());
    };
    if error.get_ref().is_some_and(|cause| cause.is::<TooLarge>()) {
        FileError::TooLarge { max: FILE_BYTES_MAX }
    } else {
        FileError::Read(error)
    }
}

/// Where each column stands.
struct Heading {
    places: HashMap<&'static str, usize>,
    columns: usize,
}

impl Heading {
    fn new(names: &StringRecord) -> Result<Self, FileError> {
        let mut places = HashMap::new();
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
        let field = self.places.get(column).and_then(|place| row.get(*place));
        unescape(field.unwrap_or_default())
    }
}

struct Rows {
    heading: Heading,
    users: Vec<User>,
    /// Which row each telephony agent id stands in.
    seen: HashMap<AgentId, u64>,
    errors: Vec<RowError>,
    error_count: usize,
    row: u64,
}

impl Rows {
    fn new(heading: Heading) -> Self {
        Self {
            heading,
            users: Vec::new(),
            seen: HashMap::new(),
            errors: Vec::new(),
            error_count: 0,
            row: 1,
        }
    }

    fn take(&mut self, record: &StringRecord) -> Result<(), FileError> {
        self.row += 1;
        if self.row > ROWS_MAX as u64 + 1 {
            return Err(FileError::TooLong { max: ROWS_MAX });
        }
        if record.len() != self.heading.columns {
            let reason =
                format!("has {} fields, the heading has {}", record.len(), self.heading.columns);
            self.refuse("row", &reason);
            return Ok(());
        }
        let fields = self.fields(record);
        let is_first = fields.agent_id().is_none_or(|agent| self.is_first(agent));
        match fields.check() {
            Ok(user) if is_first => self.users.push(user),
            Ok(_) => {}
            Err(errors) => {
                for error in errors {
                    self.refuse(error.column, &error.reason);
                }
            }
        }
        Ok(())
    }

    fn fields<'r>(&self, record: &'r StringRecord) -> Fields<'r> {
        let field = |column| self.heading.field(record, column);
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

    /// Returns whether no other row has this id; says so if one has.
    fn is_first(&mut self, agent: AgentId) -> bool {
        if let Some(other) = self.seen.get(&agent) {
            let reason = format!(
                "is the same as that of row {other}: two people cannot share one, as the domain is ignored"
            );
            self.refuse("telephony_agent_id", &reason);
            return false;
        }
        self.seen.insert(agent, self.row);
        true
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

    use sidetone_model::Adaptor;

    use super::*;
    use crate::columns::SAMPLE;
    use crate::fields::FIELD_BYTES_MAX;
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
                "row 4, email: has nothing before the @",
                "row 4, adaptor: is none of genesys-cloud, genesys-engage, avaya, cisco",
                "row 4, status: is none of active, inactive",
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

    #[test]
    fn limits_are_named() {
        let heading = "name,email,adaptor\n";
        let row = |number: usize| format!("A,a{number}@a.example,avaya\n");
        let long: String = (0..=ROWS_MAX).map(row).collect();
        let error = read(format!("{heading}{long}").as_bytes()).unwrap_err();
        assert!(error.to_string().contains("more than 50,000 rows"), "{error}");
        let just: String = (0..ROWS_MAX).map(row).collect();
        assert_eq!(read(format!("{heading}{just}").as_bytes()).unwrap().users.len(), ROWS_MAX);

        let large = format!("{heading}{}", "x".repeat(5 * 1024 * 1024 - heading.len() + 1));
        let error = read(large.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("larger than 5 MiB"), "{error}");
        let filled = format!("{heading}{}", "\n".repeat(5 * 1024 * 1024 - heading.len()));
        assert_eq!(read(filled.as_bytes()).unwrap().users, []);

        let field = |bytes| format!("{heading}{},a@a.example,avaya\n", "x".repeat(bytes));
        assert!(read(field(FIELD_BYTES_MAX).as_bytes()).is_ok());
        let error = rows(&field(FIELD_BYTES_MAX + 1));
        assert_eq!(error, ["row 2, name: is longer than 1 KiB (1,024 bytes)"]);
    }

    #[test]
    fn a_file_that_breaks_off_gives_nobody() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the disk is gone"))
            }
        }
        let text = "name,email,adaptor\nAda,ada@a.example,avaya\n";
        let error = read(text.as_bytes().chain(Broken)).unwrap_err();
        assert!(matches!(error, FileError::Read(_)), "{error:?}");
    }

    #[test]
    fn formulas_are_harmless_when_written_and_text_when_read() {
        let text =
            "name,email,adaptor,team\n=1+1,a@a.example,avaya,'-x\n'b,b@a.example,avaya,O'Neil\n";
        let file = read(text.as_bytes()).unwrap();
        assert_eq!(file.users[0].name.reveal(), "=1+1");
        assert_eq!(file.users[0].team, "-x", "as a spreadsheet shows it");
        assert_eq!(file.users[1].name.reveal(), "'b", "an apostrophe alone is one");
        let mut written = Vec::new();
        write(&mut written, &file.users).unwrap();
        let written = String::from_utf8(written).unwrap();
        assert!(written.contains("\"'=1+1\"") && written.contains("\"'-x\""), "{written}");
        assert!(written.contains("\"'b\"") && written.contains("\"O'Neil\""), "{written}");
    }

    /// Fields that try everything which is special to files and spreadsheets.
    fn field() -> impl Strategy<Value = String> {
        let odd = "['=+@;,\"\r\n\t\u{ff1d} \u{7f}-]{0,4}[a-z'=,\" ]{0,6}";
        prop_oneof![odd, "\\PC{0,12}", "[a-z]{1,8}"]
    }

    proptest! {
        #[test]
        fn no_file_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = read(bytes.as_slice());
        }

        #[test]
        fn export_then_import_changes_nothing(
            people in prop::collection::vec(prop::array::uniform5(field()), 1..12)
        ) {
            let mut users: Vec<User> = Vec::new();
            for [name, email, team, supervisor, site] in &people {
                let fields = Fields {
                    name, email, team, supervisor, site,
                    adaptor: "avaya",
                    ..Fields::default()
                };
                match fields.check() {
                    Ok(user) if users.iter().all(|other| other.agent != user.agent) => {
                        users.push(user);
                    }
                    Ok(_) | Err(_) => {}
                }
            }
            let mut text = Vec::new();
            write(&mut text, &users).unwrap();
            let read_back = read(text.as_slice());
            prop_assert!(read_back.is_ok(), "{read_back:?}");
            prop_assert!(read_back.unwrap().users == users);
            let text = String::from_utf8(text).unwrap();
            let mut fields = csv::ReaderBuilder::new().has_headers(false)
                .from_reader(text.as_bytes());
            for row in fields.records() {
                for field in row.unwrap().iter() {
                    prop_assert!(!field.starts_with(['=', '+', '-', '@', '\t', '\r']), "{field}");
                    prop_assert!(!field.chars().any(char::is_control), "{field:?}");
                }
            }
        }
    }
}
