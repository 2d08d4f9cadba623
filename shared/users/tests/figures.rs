//! The largest file: what it takes in memory and time, and that its last row counts. One test,
//! so that the process's figures are its own.

#![allow(clippy::unwrap_used, reason = "a test says by failing that something is amiss")]

use std::fs::File;
use std::io::{BufReader, Write};
use std::sync::Arc;
use std::time::Instant;

use sidetone_model::{OrganizationId, Timestamp};
use sidetone_ports::{ChangeOrigin, ChangeWay, UserStore};
use sidetone_ports_embedded::Store;
use sidetone_user_file::{FILE_BYTES_MAX, FileError, ROWS_MAX, ReadOptions, read};
use sidetone_users::{Absent, Intent, Users};

/// How much more memory an import may take.
const MEMORY_MAX_KIB: u64 = 64 * 1024;

/// Reads a figure of this process, in KiB.
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn write_file(file: &mut File, adaptor: &str, last: &str) {
    let mut text = String::from("name,email,adaptor,team,supervisor,site,status\n");
    for number in 1..ROWS_MAX {
        text += &format!(
            "Agent {number:05},agent.{number:05}@customer.example,{adaptor},Team {},boss.{},Oslo,active\n",
            number % 400,
            number % 90,
        );
    }
    text += last;
    assert!((text.len() as u64) < FILE_BYTES_MAX, "{} bytes", text.len());
    file.write_all(text.as_bytes()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_file_takes_less_than_64_mib_and_its_last_row_counts() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("store.db")).unwrap();
    let users = Users::new(store.clone());
    let organization = OrganizationId::new("0f0e0d0c-0b0a-4908-8706-050403020100".parse().unwrap());
    let origin = ChangeOrigin {
        at: Timestamp::from_millis(1_795_327_200_000),
        by: "root".to_owned(),
        way: ChangeWay::File,
    };
    let path = |name: &str| directory.path().join(name);
    let good = "Zoe Last,zoe@customer.example,avaya,,,,\n";
    for (name, adaptor, last) in [
        ("bad.csv", "genesys-cloud", "Zoe Last,zoe@customer.example,nortel,,,,\n"),
        ("new.csv", "genesys-cloud", good),
        ("moved.csv", "avaya", good),
    ] {
        write_file(&mut File::create(path(name)).unwrap(), adaptor, last);
    }

    let error = read(BufReader::new(File::open(path("bad.csv")).unwrap()), &ReadOptions::default())
        .unwrap_err();
    let FileError::Rows(errors) = error else { panic!("{error:?}") };
    let [error] = &errors.first[..] else { panic!("{errors:?}") };
    assert_eq!((error.row, error.column.as_str()), (50_001, "adaptor"));
    assert_eq!(store.user_revision(organization).await.unwrap(), 0, "nothing is applied");

    let before = memory("VmRSS");
    for (name, moved) in [("new.csv", 0), ("moved.csv", ROWS_MAX - 1)] {
        let started = Instant::now();
        let file =
            read(BufReader::new(File::open(path(name)).unwrap()), &ReadOptions::default()).unwrap();
        let wanted: Vec<_> = file.users.into_iter().map(Arc::new).collect();
        let outcome = users
            .put(organization, &wanted, &[], Absent::Stay, Intent::Commit(&origin))
            .await
            .unwrap();
        let seconds = started.elapsed().as_secs_f64();
        drop(wanted);
        let counts = outcome.difference.counts();
        assert_eq!(counts.added + counts.moved + counts.unchanged, ROWS_MAX);
        assert_eq!(counts.moved, moved);
        let more = memory("VmHWM").saturating_sub(before);
        println!("{name}: {ROWS_MAX} rows in {seconds:.2} s, {} MiB more memory", more / 1024);
        assert!(more < MEMORY_MAX_KIB, "{name}: {more} KiB more than before");
    }
}
