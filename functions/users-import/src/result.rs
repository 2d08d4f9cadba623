//! What became of a file, as it is written beside it.

use serde::{Deserialize, Serialize};
use sidetone_users_api::{OutcomeView, Problem};

use crate::event::Object;

/// What follows a file's key.
const SUFFIX: &str = ".result.json";

/// Returns the key under which the result of a file stands.
pub(crate) fn key_of_result(key: &str) -> String {
    format!("{key}{SUFFIX}")
}

/// What became of a file.
///
/// **Shape** `outcome` as `POST /v1/import` of the users API answers, or `problem` as it refuses.
#[derive(Debug, Serialize)]
pub(crate) struct ImportResult<'a> {
    /// When it was imported or refused.
    pub(crate) at: String,
    /// Its key.
    pub(crate) file: &'a str,
    /// What was in it, as one word.
    pub(crate) etag: &'a str,
    /// Which of the objects that were put under its key it is.
    pub(crate) sequencer: &'a str,
    /// What was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) outcome: Option<OutcomeView>,
    /// Why nothing was imported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) problem: Option<Problem>,
}

/// Which object an earlier result is about.
#[derive(Debug, Deserialize)]
pub(crate) struct Earlier {
    sequencer: String,
}

impl Earlier {
    /// Returns whether the result is about that object, or about one that was put later.
    pub(crate) fn covers(&self, object: &Object) -> bool {
        let (earlier, now) = (self.sequencer.as_str(), object.sequencer.as_str());
        let length = earlier.len().max(now.len());
        let padded = |digits: &str| format!("{digits:0<length$}").to_uppercase();
        padded(earlier) >= padded(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(earlier: &str, now: &str) -> bool {
        let object =
            Object { key: String::new(), size: 0, etag: String::new(), sequencer: now.to_owned() };
        Earlier { sequencer: earlier.to_owned() }.covers(&object)
    }

    #[test]
    fn sequencers_are_compared_as_s3_says() {
        assert!(covers("0055AED6DCD90281E5", "0055AED6DCD90281E5"));
        assert!(covers("0055aed6dcd90281e5", "0055AED6DCD90281E5"));
        assert!(covers("0056", "0055AED6DCD90281E5"));
        assert!(!covers("0055", "0055AED6DCD90281E5"));
        assert!(!covers("0055AED6DCD90281E4", "0055AED6DCD90281E5"));
    }
}
