//! The commands that show and change organizations.

use super::*;

/// An organization that was added, changed and removed.
fn gone() -> Bench {
    let bench = Bench::new();
    let client = format!("client={}", bench.file("secret", "hush-hush\n"));
    bench.done(&["org", "add", ORGANIZATION, "--region", "usw2", "--client", &client]);
    bench.done(&["org", "add", ORGANIZATION, "--listen", "ready", "--queue", "Billing"]);
    bench.done(&["org", "remove", ORGANIZATION, "--yes"]);
    bench
}

#[test]
fn history_tells_who_changed_what_in_pages() {
    let bench = gone();
    let told = bench.done_json(&["org", "history", ORGANIZATION, "--limit", "2"]);
    let entries = told["history"].as_array().unwrap();
    let kinds: Vec<_> = entries.iter().map(|one| (&one["change"], &one["kind"])).collect();
    assert_eq!(kinds, [(&3.into(), &"removed".into()), (&2.into(), &"changed".into())]);
    assert_eq!((&entries[1]["way"], &told["next"]), (&"cli".into(), &2.into()));
    assert_eq!(entries[1]["before"]["listen"], "matched");
    assert_eq!(entries[1]["after"]["listen"], "ready");
    let rest = bench.done_json(&["org", "history", ORGANIZATION, "--before", "2"]);
    let [added] = &rest["history"].as_array().unwrap()[..] else { panic!("{rest:#}") };
    assert_eq!((&added["clients_set"], &added["key_set"]), (&true.into(), &false.into()));
    assert_eq!((&added["before"], &rest["next"]), (&Value::Null, &Value::Null));
}

#[test]
fn history_is_a_table_and_has_no_secret() {
    let bench = gone();
    let ran = bench.run(&["org", "history", ORGANIZATION, "--limit", "2"]);
    let lines: Vec<_> = ran.results.lines().collect();
    assert!(lines[0].starts_with("CHANGE  WHEN"), "{}", ran.results);
    assert!(lines[1].starts_with("3 ") && lines[1].ends_with("removed"), "{}", ran.results);
    let changed = "changed  listen: matched -> ready, queues: nothing -> Billing";
    assert!(lines[2].ends_with(changed), "{}", ran.results);
    assert!(ran.notes.contains("--limit 2 --before 2 --data"), "{}", ran.notes);
    let first = bench.done(&["org", "history", ORGANIZATION, "--before", "2"]);
    let added = "added    platform: usw2, clients: client, listen: matched, on-hold: keep, \
                 secrets of clients were set";
    assert!(first.lines().nth(1).unwrap().ends_with(added), "{first}");
    assert!(!first.contains("hush"), "{first}");
}

#[test]
fn who_never_was_served_has_no_history() {
    let bench = gone();
    let ran = bench.run(&["org", "history", "2f0e0d0c-0b0a-4908-8706-050403020100"]);
    assert_eq!(ran.exit, Exit::BadInput);
    assert!(ran.notes.contains("is not served here"), "{}", ran.notes);
}

#[test]
fn an_organization_is_removed_only_when_that_is_confirmed() {
    let bench = Bench::new();
    bench.done(&["org", "add", ORGANIZATION, "--region", "usw2"]);
    let tried = bench.run(&["org", "remove", ORGANIZATION, "--dry-run"]);
    assert_eq!(tried.exit, Exit::Done);
    assert!(tried.results.starts_with("would remove organization"), "{}", tried.results);
    let refused = bench.run(&["org", "remove", ORGANIZATION]);
    assert_eq!(refused.exit, Exit::BadInput);
    assert!(refused.notes.contains("add --yes if that is meant"), "{}", refused.notes);
    assert!(bench.done(&["org", "list"]).contains(ORGANIZATION));
    bench.done(&["org", "remove", ORGANIZATION, "--yes"]);
    assert!(!bench.done(&["org", "list"]).contains(ORGANIZATION));
}
