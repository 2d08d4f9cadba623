//! Where files on their way are written: a folder of this process alone.

use std::fs;
use std::path::{Path, PathBuf};

/// Returns this process's folder below `root`, and removes those of processes that are gone: what
/// people said stays nowhere longer than it has to.
///
/// Where several functions run on one machine, `root` is the same to all of them.
pub(crate) fn own_folder(root: &Path) -> PathBuf {
    let own = std::process::id().to_string();
    for folder in fs::read_dir(root).into_iter().flatten().flatten() {
        let name = folder.file_name();
        let runs = name != *own && Path::new("/proc").join(&name).exists();
        if !runs {
            // What cannot be removed is only in the way of what comes after it.
            _ = fs::remove_dir_all(folder.path());
        }
    }
    root.join(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_left_that_is_gone_is_removed_and_what_another_writes_is_not() {
        let root = tempfile::tempdir().unwrap();
        // The first process of a machine always runs; none has a number as high.
        let own = std::process::id().to_string();
        for process in ["1", "999999999", &own] {
            let folder = root.path().join(process);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("a.wav"), "said").unwrap();
        }
        assert_eq!(own_folder(root.path()), root.path().join(own));
        let left: Vec<_> = fs::read_dir(root.path()).unwrap().flatten().collect();
        assert_eq!(left.iter().map(fs::DirEntry::file_name).collect::<Vec<_>>(), ["1"]);
        assert!(root.path().join("1/a.wav").exists());
    }

    #[test]
    fn nothing_is_needed_beforehand() {
        let root = tempfile::tempdir().unwrap();
        let nowhere = root.path().join("not there");
        assert!(own_folder(&nowhere).starts_with(&nowhere));
    }
}
