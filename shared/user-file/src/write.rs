//! Writing the file, so that reading it again changes nothing.

use std::io::Write;

use sidetone_model::User;

use crate::columns::COLUMNS;

/// Writes users with every column.
///
/// Errors: those of `output`.
pub fn write(output: impl Write, users: &[User]) -> Result<(), std::io::Error> {
    let mut writer = csv::Writer::from_writer(output);
    writer.write_record(COLUMNS)?;
    for user in users {
        writer.write_record([
            user.name.reveal(),
            user.username.reveal(),
            user.agent.as_str(),
            user.adaptor.as_str(),
            &user.team,
            &user.supervisor,
            &user.site,
            user.status.as_str(),
        ])?;
    }
    writer.flush()
}
