//! Characters that people cannot see or cannot tell apart, found before they become part of a key.
//!
//! Source: Unicode properties `Default_Ignorable_Code_Point`, `General_Category`, `Script`.

use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::props::{
    DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup, Script,
};
use icu_properties::{CodePointMapData, CodePointSetData};

/// What a field may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// A key, or part of one: every character counts.
    Key,
    /// Words of any language.
    Words,
}

/// A character that a field may not hold, and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unwanted {
    character: char,
    what: &'static str,
    /// Counted from one, as people count.
    position: usize,
}

impl Unwanted {
    /// Says which character it is and where, and nothing of what is around it.
    pub(crate) fn reason(&self) -> String {
        let Self { character, what, position } = self;
        let code = u32::from(*character);
        format!("contains U+{code:04X} ({what}) as character {position}; type the value again")
    }
}

/// Returns the text in Unicode's composed form (NFC), in which `é` is one character.
pub(crate) fn composed(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    ComposingNormalizerBorrowed::new_nfc().normalize(text)
}

/// Returns the first character that a field may not hold.
pub(crate) fn unwanted(text: &str, content: Content) -> Option<Unwanted> {
    let mut before = None;
    for (place, character) in text.chars().enumerate() {
        let is_joiner = content == Content::Words && joins(before, character);
        let what = if is_joiner { None } else { unwanted_kind(before, character) };
        if let Some(what) = what {
            return Some(Unwanted { character, what, position: place + 1 });
        }
        before = Some(character);
    }
    None
}

/// Returns why a character is not wanted behind another; `before` is absent at the beginning.
fn unwanted_kind(before: Option<char>, character: char) -> Option<&'static str> {
    let named = name(character);
    if named.is_some() {
        return named;
    }
    if character.is_control() {
        return Some("control character");
    }
    if CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(character) {
        return Some("invisible character");
    }
    let category = CodePointMapData::<GeneralCategory>::new().get(character);
    let is = |group: GeneralCategoryGroup| group.contains(category);
    let begins_word = before.is_none_or(|before| before == ' ');
    if is(GeneralCategoryGroup::Separator) && character != ' ' {
        Some("space or line separator of another kind")
    } else if is(GeneralCategoryGroup::Other) {
        Some("invisible, private-use or unassigned character")
    } else if is(GeneralCategoryGroup::Mark) && begins_word {
        Some("combining mark without a letter before it")
    } else {
        None
    }
}

/// The characters that are met most often, by the names that people look up.
const fn name(character: char) -> Option<&'static str> {
    Some(match character {
        '\t' => "tab",
        '\n' => "line feed; a quote may be open in this row",
        '\r' => "carriage return; a quote may be open in this row",
        '\u{a0}' => "no-break space",
        '\u{ad}' => "soft hyphen",
        '\u{200b}' => "zero-width space",
        '\u{200c}' => "zero-width non-joiner",
        '\u{200d}' => "zero-width joiner",
        '\u{200e}' => "left-to-right mark",
        '\u{200f}' => "right-to-left mark",
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => "bidirectional formatting character",
        '\u{202f}' => "narrow no-break space",
        '\u{2060}' => "word joiner",
        '\u{2800}' => "braille blank, which is invisible",
        '\u{3000}' => "ideographic space",
        '\u{feff}' => "byte order mark, which is invisible",
        '\u{fffd}' => "replacement character: the text was damaged before it arrived here",
        _ => return None,
    })
}

/// Returns whether an invisible character does what it is for: joins letters of a script that
/// needs it, as Persian and Hindi do, or belongs to a symbol.
fn joins(before: Option<char>, character: char) -> bool {
    if !['\u{200c}', '\u{200d}', '\u{fe0e}', '\u{fe0f}'].contains(&character) {
        return false;
    }
    before.is_some_and(|before| {
        let category = CodePointMapData::<GeneralCategory>::new().get(before);
        let plain =
            [Script::Latin, Script::Greek, Script::Cyrillic, Script::Common, Script::Inherited];
        category == GeneralCategory::OtherSymbol
            || before == '\u{fe0f}'
            || !plain.contains(&script(before))
    })
}

/// Returns a text in which characters that cannot be seen are written as `<U+200B>`.
pub fn visible(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let (mut shown, mut before) = (String::new(), None);
    for character in text.chars() {
        if !character.is_control() && is_unseen(character) && !joins(before, character) {
            shown += &format!("<U+{:04X}>", u32::from(character));
        } else {
            shown.push(character);
        }
        before = Some(character);
    }
    Cow::Owned(shown)
}

fn is_unseen(character: char) -> bool {
    let category = CodePointMapData::<GeneralCategory>::new().get(character);
    let is_space = GeneralCategoryGroup::Separator.contains(category) && character != ' ';
    is_space
        || category == GeneralCategory::Format
        || character == '\u{2800}'
        || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(character)
}

/// Says of a key why it may look like another one; nothing of most.
pub(crate) fn look_alike(key: &str) -> Option<&'static str> {
    if key.is_ascii() {
        return None;
    }
    if ComposingNormalizerBorrowed::new_nfkc().normalize(key) != composed(key) {
        return Some(
            "contains characters that only look like plain ones, such as full-width letters",
        );
    }
    let has = |one: Script| key.chars().any(|letter| script(letter) == one);
    let mixed = [Script::Latin, Script::Greek, Script::Cyrillic].into_iter().filter(|it| has(*it));
    (mixed.count() > 1).then_some("mixes letters of several alphabets that look alike")
}

fn script(character: char) -> Script {
    CodePointMapData::<Script>::new().get(character)
}
