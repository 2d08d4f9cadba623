//! What a file's key says: whose users, and whether they are all there are.
//!
//! **Shape** `import/<organization>/….csv`: these users are added or changed;
//! `import/<organization>/replace/….csv`: they are the whole list, and others are removed, unless
//! they are more than 20 % of all; `import/<organization>/replace/confirmed/….csv`: however many
//! they are.

use sidetone_model::OrganizationId;
use sidetone_users::{Absent, Removals};

/// What stands before every key.
const IMPORT: &str = "import";
/// The folder of whole lists.
const REPLACE: &str = "replace";
/// The folder in it of lists that may remove any number of users.
const CONFIRMED: &str = "confirmed";

/// Whose users a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) organization: OrganizationId,
    pub(crate) absent: Absent,
}

/// A key that does not say whose users it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the file is not in the folder of an organization: put it under \
     import/<organization's id>/, or under import/<organization's id>/replace/ if it is the \
     whole list"
)]
pub(crate) struct Misplaced;

impl Place {
    pub(crate) fn of(key: &str) -> Result<Self, Misplaced> {
        let mut folders: Vec<&str> = key.split('/').collect();
        folders.pop();
        let [IMPORT, organization, rest @ ..] = folders.as_slice() else { return Err(Misplaced) };
        let organization: OrganizationId = organization.parse().map_err(|_| Misplaced)?;
        let absent = match rest {
            [REPLACE, CONFIRMED, ..] => Absent::Remove(Removals::ALL),
            [REPLACE, ..] => Absent::Remove(Removals::Few),
            _ => Absent::Stay,
        };
        Ok(Self { organization, absent })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORGANIZATION: &str = "0f0e0d0c-0b0a-4908-8706-050403020100";

    fn place(rest: &str) -> Result<Place, Misplaced> {
        Place::of(&format!("import/{ORGANIZATION}{rest}"))
    }

    #[test]
    fn a_folder_names_the_organization_and_only_one_folder_removes() {
        let organization = ORGANIZATION.parse().unwrap();
        let stay = Ok(Place { organization, absent: Absent::Stay });
        for rest in ["/a.csv", "/b/c.csv", "/replace.csv", "/Replace/a.csv", "/b/replace/a.csv"] {
            assert_eq!(place(rest), stay, "{rest}");
        }
        let remove = |removals| Ok(Place { organization, absent: Absent::Remove(removals) });
        for rest in ["/replace/a.csv", "/replace/b/c.csv", "/replace/b/confirmed/c.csv"] {
            assert_eq!(place(rest), remove(Removals::Few), "{rest}");
        }
        assert_eq!(place("/replace/confirmed/a.csv"), remove(Removals::ALL));
    }

    #[test]
    fn what_stands_elsewhere_is_nobodys() {
        for key in ["import/a.csv", "a.csv", "import/x/a.csv", "import//a.csv", "imports/x/a.csv"] {
            assert_eq!(Place::of(key), Err(Misplaced), "{key}");
        }
        assert_eq!(place(".csv"), Err(Misplaced));
    }
}
