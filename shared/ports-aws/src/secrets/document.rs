//! The secret with the AudioHook keys, as a document.
//!
//! **Shape**: `{"keys": [{"key_id": "…", "secrets": ["base64"], "organizations": ["uuid"]}]}`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use sidetone_ports::StoredKey;

/// How many secrets of one key are good at a time.
const SECRETS_MAX: usize = 2;

/// Keys by their id.
pub(super) type Keys = BTreeMap<String, StoredKey>;

/// Where a document stopped making sense; its own words may be a secret.
#[derive(Debug, thiserror::Error)]
#[error("the secret is not {{\"keys\": […]}} at line {line}, column {column}")]
pub(super) struct DocumentError {
    line: usize,
    column: usize,
}

/// An entry that is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry {index} of the keys is left out: {problem}")]
pub(super) struct EntryError {
    /// Which one, from 0.
    index: usize,
    problem: String,
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

/// Reads the keys, and what is wrong with those that cannot be used: one bad entry closes no
/// door to the others.
pub(super) fn read(text: &str) -> Result<(Vec<StoredKey>, Vec<EntryError>), DocumentError> {
    let document: Document<'_> = serde_json::from_str(text)
        .map_err(|error| DocumentError { line: error.line(), column: error.column() })?;
    let (mut keys, mut errors) = (Vec::new(), Vec::new());
    for (index, entry) in document.keys.iter().enumerate() {
        match key(entry) {
            Ok(key) => keys.push(key),
            Err(problem) => errors.push(EntryError { index, problem }),
        }
    }
    Ok((keys, errors))
}

fn key(entry: &RawValue) -> Result<StoredKey, String> {
    let key: StoredKey = serde_json::from_str(entry.get()).map_err(|error| {
        let what = match error.classify() {
            serde_json::error::Category::Data => "a field is missing or of another kind",
            serde_json::error::Category::Io
            | serde_json::error::Category::Syntax
            | serde_json::error::Category::Eof => "it is not JSON",
        };
        format!("{what}, at its line {}, column {}", error.line(), error.column())
    })?;
    let missing = if key.key_id.is_empty() {
        "it has no key_id"
    } else if key.organizations.is_empty() {
        "it has no organizations"
    } else if key.secrets.is_empty() && !key.api_key_only {
        "it has no secrets, and api_key_only is not set"
    } else {
        return Ok(key);
    };
    Err(missing.to_owned())
}

/// Joins what two stages say, the current one first: a key of both has the secrets of both, as
/// many as may be good at a time, and is otherwise as the current stage has it.
pub(super) fn join(current: Vec<StoredKey>, previous: Vec<StoredKey>) -> Keys {
    let mut keys = Keys::new();
    for key in current.into_iter().chain(previous) {
        let Some(known) = keys.get_mut(&key.key_id) else {
            keys.insert(key.key_id.clone(), key);
            continue;
        };
        // A key that is good without secrets today is not made stricter by its past.
        if !known.api_key_only {
            for secret in key.secrets {
                if !known.secrets.contains(&secret) {
                    known.secrets.push(secret);
                }
            }
        }
    }
    for key in keys.values_mut() {
        key.secrets.truncate(SECRETS_MAX);
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORGANIZATION: &str = "00000000-0000-4000-8000-000000000001";

    fn stored(key_id: &str, secrets: &[&str]) -> StoredKey {
        StoredKey {
            key_id: key_id.into(),
            secrets: secrets.iter().map(ToString::to_string).collect(),
            organizations: vec![ORGANIZATION.parse().unwrap()],
            api_key_only: false,
        }
    }

    #[test]
    fn a_bad_entry_is_named_by_its_index_and_not_quoted() {
        let text = format!(
            r#"{{"keys": [
                {{"key_id": "good", "secrets": ["c2VjcmV0"], "organizations": ["{ORGANIZATION}"]}},
                {{"key_id": "one", "secrets": "hush", "organizations": ["{ORGANIZATION}"]}},
                {{"key_id": "two", "secrets": ["hush"], "organizations": []}},
                {{"key_id": "", "secrets": ["hush"], "organizations": ["{ORGANIZATION}"]}},
                {{"key_id": "four", "secrets": [], "organizations": ["{ORGANIZATION}"]}},
                "hush"
            ]}}"#
        );
        let (keys, errors) = read(&text).unwrap();
        assert!(keys == [stored("good", &["c2VjcmV0"])]);
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(errors.len(), 5);
        assert!(errors[0].starts_with("entry 1 of the keys is left out"), "{errors:?}");
        assert!(!format!("{errors:?}").contains("hush"));
    }

    #[test]
    fn what_is_no_document_is_not_quoted() {
        for text in ["hush", "{\"keys\": \"hush\"}", "[\"hush\"]", "{}", ""] {
            let error = read(text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
        }
    }

    #[test]
    fn both_stages_are_good_the_current_one_first() {
        let current = vec![stored("a", &["new", "extra"]), stored("b", &["only"])];
        let previous = vec![stored("a", &["old"]), stored("c", &["gone"]), stored("b", &["only"])];
        let keys = join(current, previous);
        assert_eq!(keys["a"].secrets, ["new", "extra"], "no more than may be good at a time");
        assert_eq!(keys["b"].secrets, ["only"], "the same secret counts once");
        assert_eq!(keys["c"].secrets, ["gone"]);
        let keys = join(vec![stored("a", &["new"])], vec![stored("a", &["old"])]);
        assert_eq!(keys["a"].secrets, ["new", "old"]);
    }
}
