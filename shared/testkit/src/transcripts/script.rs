//! How a transcript is written: a line per message.
//!
//! ```text
//! > open @without=language {"participant":null}   the client says this
//! >> {not json                                    the client says just this text
//! < pong @clientseq=2 {}                          the client hears this
//! = ended closed at=0 paused=0                    the stream is told this
//! | and so on                                     more of the line before
//! ```
//!
//! Without JSON, `open` has the usual parameters and all else `{}`; those of `open` are laid
//! over the usual ones. `$organization`, `$conversation` and `$other` (a UUID of nobody's) stand
//! for ids. Marks: what the client says may have `@seq`, `@serverseq`, `@position`, `@id=other`
//! or `@id=upper`, `@without` and `@bytes` (padded to that size); `@clientseq` is what it hears
//! where that is not its last.

use std::collections::BTreeMap;

use super::Needs;

/// A conversation of a client with a door.
#[derive(Debug, Clone)]
pub struct Transcript {
    /// What it shows.
    pub name: &'static str,
    /// What it needs.
    pub needs: Needs,
    /// Its messages, in order.
    pub(super) steps: Vec<Step>,
    /// What the stream holds in the end.
    pub(super) records: Vec<String>,
}

/// A line of it.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// The client says a message.
    Say(Words),
    /// The client says any text.
    SayText(String),
    /// The client hears a message.
    Hear(Words),
}

/// A message, as written.
#[derive(Debug, Clone)]
pub(super) struct Words {
    /// Its type.
    pub(super) kind: String,
    /// What is unusual about it.
    pub(super) marks: BTreeMap<String, String>,
    /// Its parameters, if written.
    pub(super) parameters: Option<String>,
}

impl Transcript {
    /// Reads a transcript.
    ///
    /// Panics where it is written wrongly.
    pub(super) fn read(name: &'static str, needs: Needs, text: &str) -> Self {
        let mut steps = Vec::new();
        let mut records = Vec::new();
        let text = text.lines().map(str::trim).collect::<Vec<_>>().join("\n").replace("\n| ", " ");
        for line in text.lines().filter(|line| !line.is_empty()) {
            let (sign, rest) = line.split_once(' ').unwrap_or((line, ""));
            match sign {
                ">" => steps.push(Step::Say(words(rest))),
                ">>" => steps.push(Step::SayText(rest.to_owned())),
                "<" => steps.push(Step::Hear(words(rest))),
                "=" => records.push(rest.to_owned()),
                _ => panic!("{name}: a line must begin with >, >>, < or =, got: {line}"),
            }
        }
        Self { name, needs, steps, records }
    }
}

fn words(text: &str) -> Words {
    let (head, parameters) = match text.find('{') {
        Some(at) => (&text[..at], Some(text[at..].to_owned())),
        None => (text, None),
    };
    let mut parts = head.split_whitespace();
    let kind = parts.next().expect("a message has a type").to_owned();
    let mark = |part: &str| {
        let (name, value) = part.strip_prefix('@')?.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    };
    let marks = parts.map(|part| mark(part).unwrap_or_else(|| panic!("no mark: {part}")));
    Words { kind, marks: marks.collect(), parameters }
}
