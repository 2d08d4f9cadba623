//! Looks for bytes that must be nowhere.

use std::path::Path;

use super::sound::pcm_of;

/// Where something was found, and in which form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Find {
    pub(crate) place: String,
    pub(crate) form: &'static str,
}

/// Returns the forms in which sound may lie about: as it was sent, decoded, or in words.
fn forms(sound: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let decoded: Vec<u8> = pcm_of(sound).into_iter().flat_map(i16::to_le_bytes).collect();
    let one_side = |first: usize| -> Vec<u8> {
        let side: Vec<u8> = sound.iter().copied().skip(first).step_by(2).collect();
        pcm_of(&side).into_iter().flat_map(i16::to_le_bytes).collect()
    };
    let numbers: Vec<String> = sound.iter().map(u8::to_string).collect();
    let hex: String = sound.iter().map(|byte| format!("{byte:02x}")).collect();
    vec![
        ("as sent", sound.to_vec()),
        ("decoded", decoded),
        ("decoded, left alone", one_side(0)),
        ("decoded, right alone", one_side(1)),
        ("in numbers", numbers.join(", ").into_bytes()),
        ("in hexadecimal digits", hex.into_bytes()),
    ]
}

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    let Some((first, rest)) = needle.split_first() else { return false };
    let mut from = 0;
    while let Some(step) = haystack[from..].iter().position(|byte| byte == first) {
        from += step + 1;
        if haystack[from..].starts_with(rest) {
            return true;
        }
    }
    false
}

/// Looks for sound in every file of a directory, databases and their logs included.
pub(crate) fn find_in_directory(directory: &Path, sound: &[u8]) -> Vec<Find> {
    let forms = forms(sound);
    let mut finds = Vec::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).expect("readable");
            waiting.extend(entries.flatten().map(|entry| entry.path()));
            continue;
        }
        // A file may have been removed meanwhile, as databases do with theirs.
        let Ok(bytes) = std::fs::read(&path) else { continue };
        let place = path.strip_prefix(directory).expect("below it").display().to_string();
        for (form, needle) in &forms {
            if holds(&bytes, needle) {
                finds.push(Find { place: place.clone(), form });
            }
        }
    }
    finds
}

/// Looks for sound in what was printed.
pub(crate) fn find_in_text(text: &str, sound: &[u8]) -> Vec<Find> {
    let in_form = |(form, needle): (&'static str, Vec<u8>)| {
        holds(text.as_bytes(), &needle).then(|| Find { place: "printed".to_owned(), form })
    };
    forms(sound).into_iter().filter_map(in_form).collect()
}
