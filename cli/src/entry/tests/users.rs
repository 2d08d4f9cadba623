//! The commands that show and change users.

use super::*;

const FILE: &str = "\
name,email,adaptor,team
Ada,ada@a.example,genesys-cloud,Billing
Bo,bo@a.example,genesys-cloud,Billing
Cy,cy@a.example,avaya,Returns
";

/// A data directory with a key, and so with an organization.
fn served() -> Bench {
    let bench = Bench::new();
    bench.done(&["secrets", "new", "--organization", ORGANIZATION]);
    bench
}

fn provisioned() -> Bench {
    let bench = served();
    let file = bench.file("agents.csv", FILE);
    bench.done(&["users", "import", &file]);
    bench
}

fn adaptors(bench: &Bench) -> Vec<(String, String)> {
    let listed = bench.done_json(&["users", "list"]);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let users = listed["users"].as_array().unwrap();
    users.iter().map(|user| (text(&user["agent"]), text(&user["adaptor"]))).collect()
}

#[test]
fn a_dry_run_prints_the_difference_and_changes_nothing() {
    let bench = provisioned();
    let file = bench.file(
        "next.csv",
        "name,email,adaptor,team\nAda,ada@a.example,genesys-cloud,Returns\n\
         Bo,bo@a.example,cisco,Billing\nDi,di@a.example,genesys-cloud,\n",
    );
    let before = bench.done(&["users", "export"]);
    let ran = bench.run(&["users", "import", &file, "--dry-run"]);
    assert_eq!(ran.exit, Exit::Done);
    assert_eq!(
        ran.results,
        "changed  ada  team: Billing -> Returns\n\
         moved    bo  adaptor: genesys-cloud -> cisco\n\
         added    di  Di, genesys-cloud\n"
    );
    assert!(ran.notes.contains("1 added, 1 changed, 1 moved, 0 removed"), "{}", ran.notes);
    assert!(ran.notes.contains("1 user not in the file: kept"), "{}", ran.notes);
    let told = bench.done_json(&["users", "import", &file, "--dry-run", "--replace"]);
    assert_eq!((&told["dry_run"], &told["change"]), (&true.into(), &Value::Null));
    assert_eq!(told["counts"]["removed"], 1);
    let kinds: Vec<_> =
        told["changes"].as_array().unwrap().iter().map(|one| &one["kind"]).collect();
    assert_eq!(kinds, ["changed", "moved", "removed", "added"]);
    assert_eq!(told["changes"][1]["before"]["adaptor"], "genesys-cloud");
    assert_eq!(told["changes"][1]["after"]["adaptor"], "cisco");
    assert_eq!(bench.done(&["users", "export"]), before);

    bench.done(&["users", "import", &file]);
    assert_eq!(adaptors(&bench).len(), 4, "who is not in the file stays");
    let refused = bench.run(&["users", "import", &file, "--replace"]);
    assert_eq!(refused.exit, Exit::BadInput, "one of four is more than 20 %");
    assert!(refused.notes.contains("1 of 4 users") && refused.notes.contains("--yes"));
    let told = bench.done_json(&["users", "import", &file, "--replace", "--yes"]);
    assert_eq!((&told["counts"]["removed"], &told["imported"]), (&1.into(), &3.into()));
    assert!(told["seconds"].is_f64());
    assert_eq!(adaptors(&bench).len(), 3, "unless it is said that they go");
}

/// Returns the command that a change printed to undo it.
fn undo_of(ran: &Ran) -> String {
    let undo = ran.notes.lines().find_map(|line| line.strip_prefix("undo it with: "));
    undo.unwrap_or_else(|| panic!("{}", ran.notes)).to_owned()
}

/// Runs a printed command as a shell would.
fn pasted(command: &str) -> Ran {
    run_words(&shlex::split(command).unwrap())
}

#[test]
fn a_move_prints_how_to_undo_it_and_can_be_tried_first() {
    let bench = provisioned();
    let before = adaptors(&bench);
    let ran = bench.run(&["users", "move", "ADA", "cy", "--to", "cisco", "--dry-run"]);
    assert_eq!(
        ran.results,
        "moved    ada  adaptor: genesys-cloud -> cisco\nmoved    cy  adaptor: avaya -> cisco\n"
    );
    assert_eq!(adaptors(&bench), before);
    let ran = bench.run(&["users", "move", "ada", "cy", "--to", "Cisco"]);
    let undo = undo_of(&ran);
    assert!(adaptors(&bench).iter().all(|(agent, to)| agent == "bo" || to == "cisco"));
    assert_eq!(pasted(&undo).exit, Exit::Done);
    assert_eq!(adaptors(&bench), before);
    let twice = pasted(&undo);
    assert_eq!(twice.exit, Exit::BadInput);
    assert!(twice.notes.contains("ada, cy changed since"), "{}", twice.notes);
}

#[test]
fn one_user_is_added_changed_found_and_removed() {
    let bench = provisioned();
    let add = ["users", "add", "--name", "Di", "--email", "DI@a.example", "--site", "Oslo"];
    let added = bench.done_json(&add);
    assert_eq!(added["changes"][0]["after"]["adaptor"], "genesys-cloud");
    let twice = bench.run(&add);
    assert_eq!(twice.exit, Exit::BadInput);
    assert!(twice.notes.contains("there is a user di already"), "{}", twice.notes);
    bench.done(&["users", "set", "di", "--team", "Returns", "--site", "", "--status", "inactive"]);
    let found = bench.done_json(&["users", "find", "RETURNS", "di"]);
    assert_eq!(found["users"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&found["users"][0]["site"], &found["users"][0]["status"]),
        (&"".into(), &"inactive".into())
    );
    let bad = bench.run(&["users", "set", "di", "--name", "", "--status", "asleep"]);
    assert_eq!(bad.exit, Exit::BadInput);
    assert!(bad.notes.contains("name: is empty; status: \"asleep\" is none of"), "{}", bad.notes);
    bench.done(&["users", "remove", "di"]);
    let gone = bench.run(&["users", "find", "di"]);
    assert_eq!((gone.exit, gone.notes.contains("no user is found")), (Exit::VerdictNo, true));
    for unknown in [
        &["users", "remove", "ada", "di"][..],
        &["users", "set", "di", "--team", "x"],
        &["users", "move", "di", "--to", "avaya"],
    ] {
        let ran = bench.run(unknown);
        assert_eq!(ran.exit, Exit::BadInput, "{unknown:?}");
        assert!(ran.notes.contains("there is no user di"), "{}", ran.notes);
    }
    assert_eq!(adaptors(&bench).len(), 3);
}

#[test]
fn history_tells_who_changed_what_in_pages() {
    let bench = provisioned();
    bench.done(&["users", "move", "ada", "--to", "avaya"]);
    let told = bench.done_json(&["users", "history", "--details", "--limit", "3"]);
    let entries = told["history"].as_array().unwrap();
    assert_eq!((&entries[0]["kind"], &entries[0]["way"]), (&"moved".into(), &"cli".into()));
    assert_eq!((&entries[0]["agent"], &entries[0]["change"]), (&"ada".into(), &2.into()));
    assert_eq!((&entries[1]["way"], entries.len()), (&"file".into(), 3));
    assert!(entries[0]["at"].as_str().unwrap().ends_with('Z'));
    let next = told["next"].as_str().unwrap();
    let rest = bench.done_json(&["users", "history", "--details", "--before", next]);
    assert_eq!((rest["history"].as_array().unwrap().len(), &rest["next"]), (1, &Value::Null));
    let lines = bench.done(&["users", "history"]);
    assert!(
        lines.lines().next().unwrap().ends_with("moved    ada  adaptor: genesys-cloud -> avaya")
    );
    assert!(lines.lines().nth(1).unwrap().ends_with("3 added"), "{lines}");
    let told = bench.done_json(&["users", "history", "--limit", "1"]);
    assert_eq!(told["changes"][0]["counts"]["moved"], 1);
    let next = told["next"].as_str().unwrap();
    let rest = bench.done_json(&["users", "history", "--before", next]);
    assert_eq!((&rest["changes"][0]["counts"]["added"], &rest["next"]), (&3.into(), &Value::Null));
    assert_eq!(bench.done(&["users", "history", "--change", "1"]).lines().count(), 3);
    let lines = bench.done(&["users", "history", "ADA"]);
    assert!(lines.contains("moved    ada  adaptor: genesys-cloud -> avaya"), "{lines}");
    assert_eq!(lines.lines().count(), 2);
}

#[test]
fn an_export_goes_to_a_file_and_comes_back_unchanged() {
    let bench = provisioned();
    let told = bench.done_json(&["users", "add", "--name", "=1+1", "--email", "eve@a.example"]);
    assert_eq!(told["change"], 2);
    let path = bench.path().join("out.csv").display().to_string();
    bench.done(&["users", "export", "-o", &path]);
    assert!(fs::read_to_string(&path).unwrap().contains("\"'=1+1\""));
    let told = bench.done_json(&["users", "import", &path, "--replace"]);
    assert_eq!((&told["change"], &told["counts"]["unchanged"]), (&Value::Null, &4.into()));
}

#[test]
fn what_is_printed_to_undo_a_change_undoes_that_change_wherever_it_was_made() {
    let bench = provisioned();
    let other = "2f0e0d0c-0b0a-4908-8706-050403020100";
    let file = bench.file("theirs.csv", FILE);
    bench.done(&["users", "import", &file, "--organization", other]);
    let removed = bench.run(&["users", "remove", "ada", "--organization", other]);
    let undo = undo_of(&removed);
    assert!(undo.contains("--data ") && undo.contains(other), "{undo}");
    let ours = bench.done(&["users", "list", "--csv"]);
    let dry = pasted(&format!("{undo} --dry-run"));
    assert_eq!(dry.results, "added    ada  Ada, genesys-cloud\n");
    assert_eq!(pasted(&undo).exit, Exit::Done);
    assert_eq!(bench.done(&["users", "list", "--csv"]), ours);
    let told = bench.done_json(&["users", "remove", "ada", "--organization", other]);
    assert_eq!(pasted(told["undo"].as_str().unwrap()).exit, Exit::Done);
}

#[test]
fn a_first_import_is_tried_anywhere_and_refused_where_no_organization_is_known() {
    let bench = Bench::new();
    let file = bench.file("agents.csv", FILE);
    let fresh = bench.path().join("fresh").display().to_string();
    let run = |words: &[&str]| {
        let words = ["sidetone", "--data", &fresh].into_iter().chain(words.iter().copied());
        run_words(&words.map(str::to_owned).collect::<Vec<_>>())
    };
    let tried = run(&["users", "import", &file, "--dry-run"]);
    assert_eq!((tried.exit, tried.results.lines().count()), (Exit::Done, 3), "{}", tried.notes);
    for words in [
        &["users", "import", &file][..],
        &["users", "add", "--name", "Di", "--email", "di@a.example"],
    ] {
        let refused = run(words);
        assert_eq!(refused.exit, Exit::BadInput, "{words:?}");
        assert!(refused.notes.contains("--organization"), "{}", refused.notes);
    }
    assert!(!Path::new(&fresh).exists(), "what is refused or tried makes no directory");
    let done = run(&["users", "import", &file, "--organization", ORGANIZATION]);
    assert_eq!(done.exit, Exit::Done, "{}", done.notes);
    let refused = run(&["users", "import", &file]);
    assert_eq!(refused.exit, Exit::BadInput, "users alone make no organization");
}

#[test]
fn the_simulated_organization_is_taken_only_where_its_users_are() {
    let bench = Bench::new();
    let file = bench.file("agents.csv", FILE);
    let simulated = crate::SIMULATED_ORGANIZATION.to_string();
    assert_eq!(bench.run(&["users", "list"]).exit, Exit::BadInput);
    bench.done(&["users", "import", &file, "--organization", &simulated]);
    let ran = bench.run(&["users", "import", &file]);
    assert_eq!(ran.exit, Exit::Done, "{}", ran.notes);
    assert!(ran.notes.contains("taking the simulated one"), "{}", ran.notes);
}

#[test]
fn users_are_listed_by_team_adaptor_and_status() {
    let bench = provisioned();
    bench.done(&["users", "set", "bo", "--status", "inactive"]);
    let agents = |words: &[&str]| {
        let listed = bench.done_json(&[&["users", "list"], words].concat());
        let users = listed["users"].as_array().unwrap().iter();
        users.map(|user| user["agent"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(agents(&["--team", "billing"]), ["ada", "bo"]);
    assert_eq!(agents(&["--team", "Billing", "--status", "active"]), ["ada"]);
    assert_eq!(agents(&["--adaptor", "avaya"]), ["cy"]);
    assert_eq!(agents(&["--adaptor", "cisco"]), <[&str; 0]>::default());
}

#[test]
fn an_export_is_its_owners_and_never_written_over_unasked() {
    use std::os::unix::fs::PermissionsExt;
    let bench = provisioned();
    let path = bench.path().join("out.csv");
    let name = path.display().to_string();
    bench.done(&["users", "export", "-o", &name, "--excel"]);
    let written = fs::read(&path).unwrap();
    assert!(written.starts_with(b"\xef\xbb\xbf\"name\""));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let refused = bench.run(&["users", "export", "-o", &name]);
    assert_eq!(refused.exit, Exit::BadInput);
    assert!(refused.notes.contains("exists already") && refused.notes.contains("--force"));
    assert_eq!(fs::read(&path).unwrap(), written);
    bench.done(&["users", "export", "-o", &name, "--force"]);
    assert!(fs::read(&path).unwrap().starts_with(b"\"name\""));
}

#[test]
fn many_users_are_removed_only_when_that_is_confirmed() {
    let bench = provisioned();
    let refused = bench.run(&["users", "remove", "ada", "bo"]);
    assert_eq!(refused.exit, Exit::BadInput);
    assert!(refused.notes.contains("2 of 3 users"), "{}", refused.notes);
    assert_eq!(adaptors(&bench).len(), 3);
    bench.done(&["users", "remove", "ada", "bo", "--dry-run"]);
    bench.done(&["users", "remove", "ada", "bo", "--yes"]);
    bench.done(&["users", "remove", "cy"]);
    assert_eq!(adaptors(&bench).len(), 0, "one who is named is not many");
}

#[test]
fn a_user_whom_no_call_can_match_is_refused_or_warned_of() {
    let bench = provisioned();
    let add = |email: &str| bench.run(&["users", "add", "--name", "Zoe", "--email", email]);
    let refused = add("zoe\u{200b}@a.example");
    assert_eq!(refused.exit, Exit::BadInput);
    let words =
        "email: \"zoe<U+200B>@a.example\" contains U+200B (zero-width space) as character 4";
    assert!(refused.notes.contains(words), "{}", refused.notes);
    let warned = add("agent.kunde.example");
    assert_eq!(warned.exit, Exit::Done, "{}", warned.notes);
    assert!(warned.notes.contains("warning: agent.kunde.example: email"), "{}", warned.notes);
    assert!(warned.notes.contains("has no @"), "{}", warned.notes);
    let set = bench.run(&["users", "set", "ada", "--email", "a\u{ad}da@a.example"]);
    assert_eq!(set.exit, Exit::BadInput, "{}", set.notes);
}
