//! Who changed something, as the rows of every history hold it.

use sidetone_model::Timestamp;
use sidetone_ports::{ChangeOrigin, ChangeWay, StoreError};

use super::value::{Row, malformed, moment, moment_of, text, text_of};

/// Who, when and by which way, as rows hold it.
#[derive(Debug, Clone)]
pub(super) struct OriginRow(pub(super) ChangeOrigin);

impl OriginRow {
    pub(super) fn new(origin: &ChangeOrigin) -> Self {
        Self(origin.clone())
    }

    pub(super) fn row(&self) -> Row {
        Row::from([
            ("at_ms".to_owned(), moment(self.0.at)),
            ("by".to_owned(), text(self.0.by.as_str())),
            ("way".to_owned(), text(self.0.way.as_str())),
        ])
    }

    pub(super) fn read(row: &Row) -> Result<Self, StoreError> {
        let at: Timestamp = moment_of(row, "at_ms")?;
        let way = ChangeWay::of_word(text_of(row, "way")?).ok_or_else(|| malformed(row, "way"))?;
        Ok(Self(ChangeOrigin { at, by: text_of(row, "by")?.to_owned(), way }))
    }
}
