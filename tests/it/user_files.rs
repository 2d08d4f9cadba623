//! Files as spreadsheets save them, given to the command: imported, or refused with the sentence
//! that solves it. `user_files/make.py` writes the files.

use std::path::Path;

use crate::world::{ORGANIZATION, sidetone};

/// A data directory, and the files.
struct Desk {
    data: tempfile::TempDir,
}

/// What a command printed.
struct Printed {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Desk {
    fn new() -> Self {
        Self { data: tempfile::tempdir().expect("a folder") }
    }

    async fn run(&self, words: &[&str]) -> Printed {
        let data = self.data.path().display().to_string();
        let organization = ORGANIZATION.to_string();
        let place = ["--data", &data, "--organization", &organization];
        let done = sidetone(words.iter().chain(&place)).await;
        Printed { code: done.code, stdout: done.stdout, stderr: done.stderr }
    }

    async fn import(&self, file: &str, more: &[&str]) -> Printed {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("it/user_files");
        let file = folder.join(file).display().to_string();
        self.run(&[&["users", "import", &file], more].concat()).await
    }

    async fn users(&self) -> String {
        self.run(&["users", "list", "--csv"]).await.stdout
    }
}

#[tokio::test]
async fn files_that_say_what_they_are_are_imported() {
    for (file, more) in [
        ("semicolon.csv", &[][..]),
        ("tab.txt", &[]),
        ("unicode-text.txt", &[]),
        ("sep.csv", &[]),
        ("utf8-bom.csv", &[]),
        ("macintosh.csv", &[]),
        ("windows-1252.csv", &["--encoding", "windows-1252"]),
    ] {
        let desk = Desk::new();
        let done = desk.import(file, more).await;
        assert_eq!(done.code, Some(0), "{file}: {}", done.stderr);
        assert!(done.stdout.starts_with("imported 2 users of"), "{file}: {}", done.stdout);
        let users = desk.users().await;
        for field in ["\"Zo\u{eb} Example\"", "\"J\u{fc}rgen Example\"", "\"Billing, Returns\""] {
            assert!(users.contains(field), "{file}: {users}");
        }
    }
}

#[tokio::test]
async fn files_that_need_their_owner_are_refused_with_what_to_do() {
    let desk = Desk::new();
    for (file, words) in [
        ("workbook.xlsx", "this is an Excel workbook, not a CSV file: open it in the spreadsheet"),
        ("workbook.xlsx", "choose \"CSV UTF-8 (Comma delimited)\""),
        ("windows-1252.csv", "row 2: the file is not UTF-8; in Windows-1252"),
        ("windows-1252.csv", "--encoding windows-1252"),
        ("open-quote.csv", "the quote opened in row 2 never ends"),
        ("empty-rows.csv", "row 6 (J\u{fc}rgen Example), Adaptor: \"nortel\" is none of"),
        ("empty-rows.csv", "1 of 2 rows is bad (1 fault); nothing was imported"),
        ("genesys-people.csv", "\"Title\", \"Department\", \"Manager\", \"Division\" are not"),
        ("genesys-people.csv", "--ignore-unknown"),
    ] {
        let refused = desk.import(file, &[]).await;
        assert_eq!(refused.code, Some(2), "{file}: {}", refused.stderr);
        assert_eq!(refused.stdout, "", "{file}");
        assert!(refused.stderr.contains(words), "{file}: {}", refused.stderr);
    }
}

#[tokio::test]
async fn an_export_of_genesys_people_is_imported_and_takes_nothing_away() {
    let desk = Desk::new();
    let add = ["users", "add", "--name", "Zoe", "--email", "zoe@customer.example"];
    let moved = ["--adaptor", "avaya", "--site", "Oslo"];
    assert_eq!(desk.run(&[&add[..], &moved].concat()).await.code, Some(0));
    let more = ["--ignore-unknown", "--map", "department=team"];
    let done = desk.import("genesys-people.csv", &more).await;
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(
        done.stderr.contains("left out: \"Title\", \"Manager\", \"Division\""),
        "{}",
        done.stderr
    );
    let users = desk.users().await;
    let row = |agent: &str| users.lines().find(|line| line.contains(agent)).unwrap_or_default();
    assert!(row("zoe").contains("\"avaya\",\"Billing\",\"\",\"Oslo\""), "{users}");
    assert!(row("ben").contains("\"genesys-cloud\",\"Returns\""), "{users}");
}
