//! Commands that are printed to be pasted into a shell: complete, with every option that decides
//! what they work on, and quoted where a shell needs it.

use std::fmt;

use sidetone_model::OrganizationId;

use crate::args::GlobalArgs;

/// A complete command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Suggestion(String);

impl Suggestion {
    /// Begins with the command's words and the options that say which Sidetone is meant.
    pub(crate) fn new(global: &GlobalArgs, words: &[&str]) -> Self {
        let begun = words.iter().fold(Self("sidetone".to_owned()), |all, word| all.word(word));
        #[cfg(feature = "aws")]
        let begun = begun.option("--stack", global.stack.as_deref());
        let path = |path: &Option<std::path::PathBuf>| {
            path.as_ref().map(|path| path.display().to_string())
        };
        begun.option("--config", path(&global.config)).option("--data", path(&global.data))
    }

    /// Adds a word.
    pub(crate) fn word(mut self, word: &str) -> Self {
        self.0.push(' ');
        self.0.push_str(&quoted(word));
        self
    }

    /// Adds an option with its value, if it has one.
    pub(crate) fn option(self, name: &str, value: Option<impl fmt::Display>) -> Self {
        match value {
            Some(value) => self.word(name).word(&value.to_string()),
            None => self,
        }
    }

    /// Adds an option without a value, if it is set.
    pub(crate) fn flag(self, name: &str, set: bool) -> Self {
        if set { self.word(name) } else { self }
    }
}

impl fmt::Display for Suggestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl GlobalArgs {
    /// Returns a command for the same data, stack and configuration, and for an organization.
    pub(crate) fn command(&self, words: &[&str], organization: Option<OrganizationId>) -> String {
        Suggestion::new(self, words).option("--organization", organization).to_string()
    }
}

/// Quotes a word where a POSIX shell would not take it as it is.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=,@+%".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggested_command_names_the_same_data_and_configuration() {
        let global = GlobalArgs {
            data: Some("/srv/my data".into()),
            config: Some("own.toml".into()),
            ..GlobalArgs::default()
        };
        let command = Suggestion::new(&global, &["why", "c0ffee12"]).flag("--json", true);
        let expected = "sidetone why c0ffee12 --config own.toml --data '/srv/my data' --json";
        assert_eq!(command.to_string(), expected);
        let plain = Suggestion::new(&GlobalArgs::default(), &["tail"]);
        assert_eq!(plain.flag("--once", false).to_string(), "sidetone tail");
    }

    #[test]
    fn words_that_a_shell_would_split_or_expand_are_quoted() {
        for (word, shown) in
            [("plain-1.wav", "plain-1.wav"), ("", "''"), ("a b", "'a b'"), ("$x", "'$x'")]
        {
            assert_eq!(quoted(word), shown);
        }
        assert_eq!(quoted("O'Neil"), r"'O'\''Neil'");
    }
}
