//! The commands that show and change users.

use super::*;

const FILE: &str = "\
name,email,adaptor,team
Ada,ada@a.example,genesys-cloud,Billing
Bo,bo@a.example,genesys-cloud,Billing
Cy,cy@a.example,avaya,Returns
";

fn provisioned() -> Bench {
    let bench = Bench::new();
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
    assert!(ran.notes.contains("1 who are not named stay"), "{}", ran.notes);
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
    let told = bench.done_json(&["users", "import", &file, "--replace"]);
    assert_eq!((&told["counts"]["removed"], &told["imported"]), (&1.into(), &3.into()));
    assert!(told["seconds"].is_f64());
    assert_eq!(adaptors(&bench).len(), 3, "unless it is said that they go");
}

#[test]
fn a_move_prints_its_way_back_and_can_be_tried_first() {
    let bench = provisioned();
    let before = adaptors(&bench);
    let ran = bench.run(&["users", "move", "ADA", "cy", "--to", "cisco", "--dry-run"]);
    assert_eq!(
        ran.results,
        "moved    ada  adaptor: genesys-cloud -> cisco\nmoved    cy  adaptor: avaya -> cisco\n"
    );
    assert_eq!(adaptors(&bench), before);
    let ran = bench.run(&["users", "move", "ada", "cy", "--to", "Cisco"]);
    let (_, back) = ran.notes.split_once("the way back: sidetone ").unwrap();
    assert!(adaptors(&bench).iter().all(|(agent, to)| agent == "bo" || to == "cisco"));
    let back: Vec<&str> = back.split_whitespace().collect();
    bench.done(&back);
    assert_eq!(adaptors(&bench), before);
    let twice = bench.run(&back);
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
    assert!(bad.notes.contains("name: is empty; status: is none of"), "{}", bad.notes);
    bench.done(&["users", "remove", "di"]);
    let gone = bench.run(&["users", "find", "di"]);
    assert_eq!((gone.exit, gone.notes.contains("nobody is found")), (Exit::VerdictNo, true));
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
    let told = bench.done_json(&["users", "history", "--limit", "3"]);
    let entries = told["history"].as_array().unwrap();
    assert_eq!((&entries[0]["kind"], &entries[0]["way"]), (&"moved".into(), &"cli".into()));
    assert_eq!((&entries[0]["agent"], &entries[0]["change"]), (&"ada".into(), &2.into()));
    assert_eq!((&entries[1]["way"], entries.len()), (&"file".into(), 3));
    assert!(entries[0]["at"].as_str().unwrap().ends_with('Z'));
    let next = told["next"].as_str().unwrap();
    let rest = bench.done_json(&["users", "history", "--before", next]);
    assert_eq!((rest["history"].as_array().unwrap().len(), &rest["next"]), (1, &Value::Null));
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
