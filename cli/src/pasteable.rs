//! Commands that are printed for people to paste: whole, for the same data, stack and
//! configuration as the command that prints them, and quoted for a shell.

use std::borrow::Cow;

use sidetone_model::OrganizationId;

use crate::args::GlobalArgs;

/// Quotes a word for a shell, if it needs that.
pub(crate) fn quoted(word: &str) -> Cow<'_, str> {
    // Only a NUL cannot be quoted, and no argument of a process holds one.
    shlex::try_quote(word).unwrap_or(Cow::Borrowed(word))
}

impl GlobalArgs {
    /// Returns a command of `sidetone` that works where this one does.
    pub(crate) fn command(&self, words: &[&str], organization: Option<OrganizationId>) -> String {
        let mut text = String::from("sidetone");
        for word in words {
            text = text + " " + &quoted(word);
        }
        if let Some(organization) = organization {
            text += &format!(" --organization {organization}");
        }
        for (option, path) in [("--data", &self.data), ("--config", &self.config)] {
            if let Some(path) = path {
                text += &format!(" {option} {}", quoted(&path.display().to_string()));
            }
        }
        #[cfg(feature = "aws")]
        if let Some(stack) = &self.stack {
            text += &format!(" --stack {}", quoted(stack));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_names_the_place_that_it_is_for() {
        let organization = "0f0e0d0c-0b0a-4908-8706-050403020100".parse().unwrap();
        let mut global = GlobalArgs::default();
        assert_eq!(global.command(&["users", "undo", "7"], None), "sidetone users undo 7");
        global.data = Some("my data".into());
        global.config = Some("it's.toml".into());
        assert_eq!(
            global.command(&["users", "undo", "7"], Some(organization)),
            "sidetone users undo 7 --organization 0f0e0d0c-0b0a-4908-8706-050403020100 \
             --data 'my data' --config \"it's.toml\""
        );
    }
}
