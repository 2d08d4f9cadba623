//! What the local AWS was asked, by whom and of which service: what AWS would bill.
//!
//! Source: the local AWS writes the `Authorization` of each request into a file; its credential
//! names the caller's access key and the service.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

/// The file, in the folder of the run.
const LOG: &str = "requests.log";

/// How many requests there were, by access key and service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requests(BTreeMap<(String, String), u64>);

impl Requests {
    /// Counts all since the local AWS was started.
    ///
    /// Errors: those of the file.
    pub fn count(run: &Path) -> io::Result<Self> {
        let mut counts = BTreeMap::new();
        for line in fs::read_to_string(run.join(LOG))?.lines() {
            if let Some(key_and_service) = caller_of(line) {
                *counts.entry(key_and_service).or_default() += 1;
            }
        }
        Ok(Self(counts))
    }

    /// Returns what came since an earlier count, by the callers' names and service; callers
    /// without a name are left out.
    pub fn since(&self, earlier: &Self, callers: &Callers) -> BTreeMap<(String, String), u64> {
        let mut named = BTreeMap::new();
        for ((key, service), count) in &self.0 {
            let before = earlier.0.get(&(key.clone(), service.clone())).copied().unwrap_or(0);
            let Some(name) = callers.0.get(key).filter(|_| *count > before) else { continue };
            *named.entry((name.clone(), service.clone())).or_default() += count - before;
        }
        named
    }
}

/// Reads `… Credential=KEY/DATE/REGION/SERVICE/aws4_request, …`.
fn caller_of(authorization: &str) -> Option<(String, String)> {
    let (_, credential) = authorization.split_once("Credential=")?;
    let scope = credential.split([',', ' ']).next()?;
    let mut parts = scope.split('/');
    let (key, service) = (parts.next()?, parts.nth(2)?);
    Some((key.to_owned(), service.to_owned()))
}

/// Who is behind an access key.
#[derive(Debug, Clone, Default)]
pub struct Callers(BTreeMap<String, String>);

impl Callers {
    /// Finds the functions' processes that run now, and those that are named by their ids.
    pub fn find(processes: &BTreeMap<String, u32>) -> Self {
        let mut callers = BTreeMap::new();
        for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let environment = fs::read(process.path().join("environ")).unwrap_or_default();
            let Some(key) = variable(&environment, "AWS_ACCESS_KEY_ID") else { continue };
            let id = process.file_name().to_string_lossy().parse().ok();
            let own = processes.iter().find(|(_, own)| Some(**own) == id);
            let name = own.map(|(name, _)| name.clone());
            if let Some(name) = name.or_else(|| variable(&environment, "AWS_LAMBDA_FUNCTION_NAME"))
            {
                callers.insert(key, name);
            }
        }
        Self(callers)
    }
}

fn variable(environment: &[u8], name: &str) -> Option<String> {
    environment.split(|byte| *byte == 0).find_map(|pair| {
        let value = pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        Some(String::from_utf8_lossy(value).into_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "AWS4-HMAC-SHA256 Credential=ASIA1/20260101/us-east-1/kinesis/aws4_request, \
                        SignedHeaders=host, Signature=0";

    #[test]
    fn a_request_names_its_caller_and_service() {
        assert_eq!(caller_of(LINE), Some(("ASIA1".to_owned(), "kinesis".to_owned())));
        assert_eq!(caller_of("-"), None);
    }

    #[test]
    fn what_came_since_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(LOG), format!("{LINE}\n")).unwrap();
        let before = Requests::count(folder.path()).unwrap();
        fs::write(folder.path().join(LOG), format!("{LINE}\n{LINE}\n-\n{LINE}\n")).unwrap();
        let after = Requests::count(folder.path()).unwrap();
        let callers = Callers(BTreeMap::from([("ASIA1".to_owned(), "door".to_owned())]));
        let counted = after.since(&before, &callers);
        assert_eq!(counted, BTreeMap::from([(("door".to_owned(), "kinesis".to_owned()), 2)]));
    }
}
