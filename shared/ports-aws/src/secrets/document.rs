//! The secret with the AudioHook keys, as a document.
//!
//! **Shape**: `{"keys": [{"key_id": "…", "secrets": ["base64"], "organizations": ["uuid"]}]}`;
//! with `"complete": true` beside the keys, the version before counts no more.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sidetone_ports::StoredKey;

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
    #[serde(default)]
    complete: bool,
}

/// What a version of the secret says.
#[derive(Default)]
pub(super) struct Stage {
    /// The keys that can be used: one bad entry closes no door to the others.
    pub(super) keys: Vec<StoredKey>,
    /// What is wrong with the others.
    pub(super) errors: Vec<EntryError>,
    /// The others, as they stand there.
    others: Vec<Box<RawValue>>,
    /// Whether these are all keys that are good, whatever an earlier version says.
    pub(super) complete: bool,
}

/// Reads the keys.
pub(super) fn read(text: &str) -> Result<Stage, DocumentError> {
    let document: Document<'_> = serde_json::from_str(text)
        .map_err(|error| DocumentError { line: error.line(), column: error.column() })?;
    let mut stage = Stage { complete: document.complete, ..Stage::default() };
    for (index, entry) in document.keys.into_iter().enumerate() {
        match key(entry) {
            Ok(key) => stage.keys.push(key),
            Err(problem) => {
                stage.errors.push(EntryError { index, problem });
                stage.others.push(entry.to_owned());
            }
        }
    }
    Ok(stage)
}

/// Writes a version that says all of it: `keys` in the place of those that can be used now, and
/// what cannot be used as it stands in `current`.
pub(super) fn write(keys: &[StoredKey], current: &Stage) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    #[serde(untagged)]
    enum Entry<'a> {
        Key(&'a StoredKey),
        Other(&'a RawValue),
    }
    #[derive(Serialize)]
    struct Whole<'a> {
        keys: Vec<Entry<'a>>,
        complete: bool,
    }
    let others = current.others.iter().map(|other| Entry::Other(other));
    let keys = keys.iter().map(Entry::Key).chain(others).collect();
    serde_json::to_string(&Whole { keys, complete: true })
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
/// many as may be good at a time, and is otherwise as the current stage has it. A complete
/// current stage stands alone.
pub(super) fn join(current: &Stage, previous: &Stage) -> Keys {
    let mut keys = Keys::new();
    let previous = if current.complete { &[][..] } else { &previous.keys };
    for key in current.keys.iter().chain(previous).cloned() {
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
        key.secrets.truncate(StoredKey::SECRETS_MAX);
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
        let stage = read(&text).unwrap();
        assert!(stage.keys == [stored("good", &["c2VjcmV0"])]);
        let errors: Vec<_> = stage.errors.iter().map(ToString::to_string).collect();
        assert_eq!(errors.len(), 5);
        assert!(errors[0].starts_with("entry 1 of the keys is left out"), "{errors:?}");
        assert!(!format!("{errors:?}").contains("hush"));
    }

    #[test]
    fn what_is_no_document_is_not_quoted() {
        for text in ["hush", "{\"keys\": \"hush\"}", "[\"hush\"]", "{}", ""] {
            let Err(error) = read(text) else { panic!("{text}") };
            assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
        }
    }

    fn stage(keys: Vec<StoredKey>) -> Stage {
        Stage { keys, ..Stage::default() }
    }

    #[test]
    fn both_stages_are_good_the_current_one_first() {
        let current = vec![stored("a", &["new", "extra"]), stored("b", &["only"])];
        let previous = vec![stored("a", &["old"]), stored("c", &["gone"]), stored("b", &["only"])];
        let (mut current, previous) = (stage(current), stage(previous));
        let keys = join(&current, &previous);
        assert_eq!(keys["a"].secrets, ["new", "extra"], "no more than may be good at a time");
        assert_eq!(keys["b"].secrets, ["only"], "the same secret counts once");
        assert_eq!(keys["c"].secrets, ["gone"]);
        current.complete = true;
        let keys = join(&current, &previous);
        assert_eq!((keys["b"].secrets.len(), keys.get("c")), (1, None), "what is whole is all");
        let new_and_old = (stage(vec![stored("a", &["new"])]), stage(vec![stored("a", &["old"])]));
        assert_eq!(join(&new_and_old.0, &new_and_old.1)["a"].secrets, ["new", "old"]);
    }

    #[test]
    fn what_is_written_is_read_again_and_nothing_that_is_not_understood_is_lost() {
        let odd = r#"{"key_id": "odd", "secrets": "typed wrongly", "organizations": 5}"#;
        let current = read(&format!(r#"{{"keys": [{odd}], "complete": false}}"#)).unwrap();
        let keys = [stored("a", &["one", "two"])];
        let written = write(&keys, &current).unwrap();
        assert!(written.contains(odd), "{written}");
        let again = read(&written).unwrap();
        assert!(again.complete && again.keys == keys && again.errors.len() == 1);
    }
}
