//! Parts of running sessions: a file for each session, to which parts are appended.
//!
//! **Shape** of a file: one part after the other, each as the length of its name and that of its
//! data (4 bytes, little-endian), its name, its data. A process that dies, or a disk that is full,
//! may leave less than a whole part at the end: it counts as none, and the next one replaces it.
//!
//! Everything here blocks.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use sidetone_ports::{Part, PartName, RecordedSession};

const HEAD_BYTES: usize = 8;
/// The longest name that is taken for one, and the largest part: what a stream record may have.
const NAME_BYTES_MAX: u32 = 1_024;
const DATA_BYTES_MAX: u32 = 16 * 1024 * 1024;
/// Files whose contents are remembered: those that are being read now.
const CONTENTS_MAX: usize = 64;

/// The files of all sessions.
#[derive(Debug)]
pub(crate) struct PartFiles {
    directory: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Where the next part of a session goes.
    ends: HashMap<RecordedSession, u64>,
    contents: HashMap<RecordedSession, Arc<Contents>>,
}

/// What lies where in a file.
#[derive(Debug, Default)]
struct Contents {
    /// Behind the last whole part.
    end: u64,
    parts: BTreeMap<PartName, Place>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    from: u64,
    bytes: u32,
}

impl PartFiles {
    /// Opens a directory of parts, creating it if need be.
    pub(crate) fn open(directory: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        Ok(Self { directory: directory.into(), state: Mutex::default() })
    }

    /// Returns where the files are.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Appends parts, all of one session in one write; says of each session whether it went well.
    pub(crate) fn put(&self, parts: &[Part]) -> HashMap<RecordedSession, io::Result<()>> {
        let mut sessions: BTreeMap<RecordedSession, Vec<&Part>> = BTreeMap::new();
        for part in parts {
            sessions.entry(part.session).or_default().push(part);
        }
        let mut state = self.state();
        let mut bytes = Vec::new();
        let put = sessions.into_iter().map(|(session, parts)| {
            bytes.clear();
            let put =
                encode(&parts, &mut bytes).and_then(|()| self.append(&mut state, session, &bytes));
            if put.is_err() {
                // It is found anew, without what was written half.
                state.ends.remove(&session);
            }
            (session, put)
        });
        put.collect()
    }

    fn append(&self, state: &mut State, session: RecordedSession, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(session);
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .mode(0o600)
            .truncate(false)
            .open(path)?;
        let end = match state.ends.get(&session) {
            Some(end) => *end,
            None => read_contents(&file, session)?.end,
        };
        file.write_all_at(bytes, end)?;
        state.ends.insert(session, end + bytes.len() as u64);
        Ok(())
    }

    /// Returns the names of a session's parts, in order.
    pub(crate) fn names(&self, session: RecordedSession) -> io::Result<Vec<PartName>> {
        let found = self.contents(&mut self.state(), session, |_| false)?;
        Ok(found.map(|(_, contents)| contents.parts.keys().cloned().collect()).unwrap_or_default())
    }

    /// Reads parts by their names; nothing for those that are not there.
    pub(crate) fn read(
        &self,
        session: RecordedSession,
        names: &[PartName],
    ) -> io::Result<Vec<Option<Bytes>>> {
        let has_all = |known: &Contents| names.iter().all(|name| known.parts.contains_key(name));
        let found = self.contents(&mut self.state(), session, has_all)?;
        let Some((file, contents)) = found else { return Ok(vec![None; names.len()]) };
        let read = |name: &PartName| {
            let Some(place) = contents.parts.get(name) else { return Ok(None) };
            let mut data = vec![0; place.bytes as usize];
            file.read_exact_at(&mut data, place.from)?;
            Ok(Some(Bytes::from(data)))
        };
        names.iter().map(read).collect()
    }

    /// Opens a session's file, with what lies where in it: as remembered, if that does.
    fn contents(
        &self,
        state: &mut State,
        session: RecordedSession,
        will_do: impl FnOnce(&Contents) -> bool,
    ) -> io::Result<Option<(File, Arc<Contents>)>> {
        let Some(file) = self.file(session)? else { return Ok(None) };
        if let Some(known) = state.contents.get(&session).filter(|known| will_do(known)) {
            return Ok(Some((file, Arc::clone(known))));
        }
        let contents = Arc::new(read_contents(&file, session)?);
        if state.contents.len() >= CONTENTS_MAX {
            state.contents.clear();
        }
        state.contents.insert(session, Arc::clone(&contents));
        Ok(Some((file, contents)))
    }

    /// Returns every session that has parts, in order.
    pub(crate) fn sessions(&self) -> io::Result<Vec<RecordedSession>> {
        let mut sessions = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let name = entry?.file_name();
            // What has another name is not ours.
            sessions.extend(name.to_str().and_then(|name| name.parse::<RecordedSession>().ok()));
        }
        sessions.sort_unstable();
        Ok(sessions)
    }

    /// Removes parts by their names, and the file with the last of them.
    pub(crate) fn remove(&self, session: RecordedSession, names: &[PartName]) -> io::Result<()> {
        let mut state = self.state();
        let Some(file) = self.file(session)? else { return Ok(()) };
        let mut contents = read_contents(&file, session)?;
        names.iter().for_each(|name| _ = contents.parts.remove(name));
        state.ends.remove(&session);
        state.contents.remove(&session);
        let path = self.path(session);
        if contents.parts.is_empty() {
            return fs::remove_file(path);
        }
        let mut bytes = Vec::new();
        for (name, place) in contents.parts {
            let mut data = vec![0; place.bytes as usize];
            file.read_exact_at(&mut data, place.from)?;
            encode(&[&Part { session, name, data: data.into() }], &mut bytes)?;
        }
        // The name of no session, so that it is not taken for one's file.
        let fresh = self.directory.join(format!(".{session}"));
        let copy =
            File::options().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        copy.write_all_at(&bytes, 0)?;
        fs::rename(fresh, path)
    }

    fn file(&self, session: RecordedSession) -> io::Result<Option<File>> {
        match File::open(self.path(session)) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn path(&self, session: RecordedSession) -> PathBuf {
        self.directory.join(session.to_string())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn encode(parts: &[&Part], bytes: &mut Vec<u8>) -> io::Result<()> {
    for Part { name, data, .. } in parts {
        let name = name.to_string();
        let length = |length: usize, max: u32| {
            let length = u32::try_from(length).ok().filter(|length| *length <= max);
            length
                .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the part is too large"))
        };
        bytes.extend_from_slice(&length(name.len(), NAME_BYTES_MAX)?.to_le_bytes());
        bytes.extend_from_slice(&length(data.len(), DATA_BYTES_MAX)?.to_le_bytes());
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(data);
    }
    Ok(())
}

/// Finds the parts in a file. Of several with one name the first counts.
fn read_contents(file: &File, session: RecordedSession) -> io::Result<Contents> {
    let length = file.metadata()?.len();
    let mut contents = Contents::default();
    while let Some((name, place)) = read_head(file, contents.end, length)? {
        contents.end = place.from + u64::from(place.bytes);
        contents.parts.entry(name).or_insert(place);
    }
    if contents.end < length {
        let bytes = length - contents.end;
        tracing::warn!(session = %session.session, bytes, "file of parts ends in no whole part");
    }
    Ok(contents)
}

/// Reads what is said of the part at a place; nothing if there is no whole one.
fn read_head(file: &File, at: u64, length: u64) -> io::Result<Option<(PartName, Place)>> {
    let left = length - at;
    let mut head = [0; HEAD_BYTES + NAME_BYTES_USUAL];
    let count = usize::try_from(left).unwrap_or(usize::MAX).min(head.len());
    file.read_exact_at(&mut head[..count], at)?;
    let Some([n0, n1, n2, n3, d0, d1, d2, d3]) = head[..count].first_chunk::<HEAD_BYTES>() else {
        return Ok(None);
    };
    let name_bytes = u32::from_le_bytes([*n0, *n1, *n2, *n3]);
    let bytes = u32::from_le_bytes([*d0, *d1, *d2, *d3]);
    let whole = HEAD_BYTES as u64 + u64::from(name_bytes) + u64::from(bytes);
    if name_bytes > NAME_BYTES_MAX || bytes > DATA_BYTES_MAX || whole > left {
        return Ok(None);
    }
    let mut name = vec![0; name_bytes as usize];
    match head[..count].get(HEAD_BYTES..HEAD_BYTES + name.len()) {
        Some(bytes) => name.copy_from_slice(bytes),
        None => file.read_exact_at(&mut name, at + HEAD_BYTES as u64)?,
    }
    let name = std::str::from_utf8(&name).ok().and_then(|name| name.parse().ok());
    let from = at + HEAD_BYTES as u64 + u64::from(name_bytes);
    Ok(name.map(|name| (name, Place { from, bytes })))
}

/// Names of our doors' connections are shorter, so that one read tells all of a part.
const NAME_BYTES_USUAL: usize = 120;

#[cfg(test)]
mod tests {
    use std::io::Write;

    use sidetone_model::ConnectionId;
    use sidetone_testkit::{fresh_organization, fresh_session};

    use super::*;

    fn session() -> RecordedSession {
        RecordedSession { organization: fresh_organization(), session: fresh_session() }
    }

    fn part(session: RecordedSession, number: u64, data: &'static str) -> Part {
        let connection = ConnectionId::new("c");
        let name = PartName { connection, first: number, last: number, ends: false };
        Part { session, name, data: data.into() }
    }

    fn put(files: &PartFiles, part: Part) {
        let session = part.session;
        files.put(&[part]).remove(&session).unwrap().unwrap();
    }

    fn data(files: &PartFiles, session: RecordedSession) -> Vec<Bytes> {
        let names = files.names(session).unwrap();
        files.read(session, &names).unwrap().into_iter().map(Option::unwrap).collect()
    }

    #[test]
    fn half_a_part_at_the_end_is_replaced_by_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let one = session();
        put(&PartFiles::open(directory.path()).unwrap(), part(one, 1, "whole"));
        let path = directory.path().join(one.to_string());
        let whole = fs::read(&path).unwrap();
        for cut in 1..whole.len() {
            // A process died in mid-write.
            let mut file = File::create(&path).unwrap();
            file.write_all(&whole).unwrap();
            file.write_all(&whole[..cut]).unwrap();
            let files = PartFiles::open(directory.path()).unwrap();
            assert_eq!(data(&files, one), ["whole"], "cut at {cut}");
            put(&files, part(one, 2, "next"));
            assert_eq!(data(&files, one), ["whole", "next"], "cut at {cut}");
        }
    }

    #[test]
    fn what_is_not_a_part_ends_the_file_and_keeps_what_is_before_it() {
        let directory = tempfile::tempdir().unwrap();
        let one = session();
        let files = PartFiles::open(directory.path()).unwrap();
        put(&files, part(one, 1, "whole"));
        let path = directory.path().join(one.to_string());
        let end = fs::metadata(&path).unwrap().len();
        File::options().write(true).open(&path).unwrap().write_all_at(&[0xff; 64], end).unwrap();
        assert_eq!(data(&files, one), ["whole"]);
        // Ten bytes of zeros are a part without a name.
        File::options().write(true).open(&path).unwrap().write_all_at(&[0; 64], end).unwrap();
        assert_eq!(data(&files, one), ["whole"]);
    }

    #[test]
    fn files_are_private_and_go_with_their_last_part() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let files = PartFiles::open(directory.path()).unwrap();
        let one = session();
        put(&files, part(one, 1, "first"));
        put(&files, part(one, 2, "second"));
        let mode = fs::metadata(directory.path().join(one.to_string())).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        let names = files.names(one).unwrap();
        files.remove(one, &names[..1]).unwrap();
        assert_eq!(data(&files, one), ["second"]);
        put(&files, part(one, 3, "third"));
        assert_eq!(data(&files, one), ["second", "third"]);
        files.remove(one, &files.names(one).unwrap()).unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        assert_eq!(files.sessions().unwrap(), []);
    }
}
