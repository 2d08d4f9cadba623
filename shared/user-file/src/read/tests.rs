//! What files are read, what is refused, and with which words.

use std::io;

use proptest::prelude::*;

use super::*;
use crate::columns::SAMPLE;
use crate::decode::FILE_BYTES_MAX;
use crate::fields::FIELD_BYTES_MAX;
use crate::write::{FileStyle, write};

fn read(input: impl Read) -> Result<UserFile, FileError> {
    super::read(input, &ReadOptions::default())
}

fn refused(text: impl AsRef<[u8]>) -> String {
    read(text.as_ref()).unwrap_err().to_string()
}

fn errors(text: &str) -> RowErrors {
    match read(text.as_bytes()) {
        Err(FileError::Rows(errors)) => *errors,
        other => panic!("expected bad rows, got {other:?}"),
    }
}

fn rows(text: &str) -> Vec<String> {
    errors(text).first.iter().map(RowError::shown).collect()
}

fn agents(file: &UserFile) -> Vec<&str> {
    file.users.iter().map(|user| user.agent.as_str()).collect()
}

fn with(options: &[&str]) -> ReadOptions {
    let mappings = options.iter().filter_map(|option| option.strip_prefix("map "));
    let encoding = options.iter().find_map(|option| option.strip_prefix("encoding "));
    ReadOptions {
        ignore_unknown: options.contains(&"ignore"),
        mappings: mappings.map(|mapping| mapping.parse().unwrap()).collect(),
        encoding: encoding.map(|name| name.parse().unwrap()),
    }
}

#[test]
fn the_sample_is_good() {
    let file = read(SAMPLE.as_bytes()).unwrap();
    let agents: Vec<_> = file.users.iter().map(|user| user.agent.as_str()).collect();
    assert_eq!(agents, ["ada", "bo", "cy"]);
    assert_eq!(file.users[2].adaptor, Adaptor::Avaya);
}

#[test]
fn a_byte_order_mark_other_names_and_another_order_are_fine() {
    let text = "\u{feff}Adaptor,USERNAME,Name\nGenesys Cloud,Ada@customer.example,Ada\n";
    let file = read(text.as_bytes()).unwrap();
    assert_eq!(file.users[0].agent.as_str(), "ada");
}

#[test]
fn every_bad_row_is_named_and_nothing_is_taken() {
    let text = "name,email,adaptor,status\n\
        Ada,ada@a.example,genesys-cloud,active\n\
        ,bo@a.example,genesys-cloud,\n\
        Cy,@a.example,nortel,gone\n\
        Di,di@a.example,genesys-cloud\n\
        Ada Other,ADA@b.example,genesys-cloud,active\n";
    assert_eq!(
        rows(text),
        [
            "row 3, name: is empty",
            "row 4 (Cy), email: \"@a.example\" has nothing before the @",
            "row 4 (Cy), adaptor: \"nortel\" is none of genesys-cloud, genesys-engage, avaya, cisco",
            "row 4 (Cy), status: \"gone\" is none of active, inactive",
            "row 5 (Di), row: has 3 fields, the header has 4",
            "row 6 (Ada Other), telephony_agent_id: \"ada\" is the same as that of row 2: two people cannot share one, as the domain is ignored",
        ]
    );
}

#[test]
fn what_is_written_reads_the_same() {
    let file = read(SAMPLE.as_bytes()).unwrap();
    let mut text = Vec::new();
    write(&mut text, &file.users, FileStyle::Plain).unwrap();
    assert_eq!(read(text.as_slice()).unwrap(), file);
}

#[test]
fn limits_are_named() {
    let heading = "name,email,adaptor\n";
    let row = |number: usize| format!("A,a{number}@a.example,avaya\n");
    let long: String = (0..=ROWS_MAX).map(row).collect();
    let error = read(format!("{heading}{long}").as_bytes()).unwrap_err();
    assert!(error.to_string().contains("more than 50,000 rows"), "{error}");
    let just: String = (0..ROWS_MAX).map(row).collect();
    assert_eq!(read(format!("{heading}{just}").as_bytes()).unwrap().users.len(), ROWS_MAX);

    let large = format!("{heading}{}", "x".repeat(FILE_BYTES_MAX as usize - heading.len() + 1));
    let error = read(large.as_bytes()).unwrap_err();
    assert!(error.to_string().contains("larger than 5 MiB"), "{error}");
    let filled = format!("{heading}{}", "\n".repeat(5 * 1024 * 1024 - heading.len()));
    assert_eq!(read(filled.as_bytes()).unwrap().users, []);

    let field = |bytes| format!("{heading}{},a@a.example,avaya\n", "x".repeat(bytes));
    assert!(read(field(FIELD_BYTES_MAX).as_bytes()).is_ok());
    let error = rows(&field(FIELD_BYTES_MAX + 1));
    assert!(error[0].contains("…\" is longer than 1 KiB (1,024 bytes)"), "{error:?}");
}

#[test]
fn a_file_that_breaks_off_gives_nobody() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    let text = "name,email,adaptor\nAda,ada@a.example,avaya\n";
    let error = read(text.as_bytes().chain(Broken)).unwrap_err();
    assert!(matches!(error, FileError::Read(_)), "{error:?}");
}

#[test]
fn formulas_are_harmless_when_written_and_text_when_read() {
    let text = "name,email,adaptor,team\n=1+1,a@a.example,avaya,'-x\n'b,b@a.example,avaya,O'Neil\n";
    let file = read(text.as_bytes()).unwrap();
    assert_eq!(file.users[0].name.reveal(), "=1+1");
    assert_eq!(file.users[0].team, "-x", "as a spreadsheet shows it");
    assert_eq!(file.users[1].name.reveal(), "'b", "an apostrophe alone is one");
    let mut written = Vec::new();
    write(&mut written, &file.users, FileStyle::Plain).unwrap();
    let written = String::from_utf8(written).unwrap();
    assert!(written.contains("\"'=1+1\"") && written.contains("\"'-x\""), "{written}");
    assert!(written.contains("\"'b\"") && written.contains("\"O'Neil\""), "{written}");
}

#[test]
fn rows_are_numbered_as_the_spreadsheet_numbers_them() {
    let text = "name,email,adaptor\n\n\nAda,ada@a.example,avaya\n\nBo,bo@a.example,nortel\n";
    assert!(rows(text)[0].starts_with("row 6 (Bo), adaptor"), "{:?}", rows(text));
    let text = "name,email,adaptor\r\n\"A\r\nB\",a@a.example,avaya\r\n,,\r\nC,,avaya\r\n";
    let rows = rows(text);
    assert!(rows[0].starts_with("row 2") && rows[0].contains("U+000D"), "{rows:?}");
    assert_eq!(rows[1], "row 4 (C), email: is empty");
}

#[test]
fn the_separator_is_that_of_the_header() {
    let rows = ["name,email,adaptor", "Ada,ada@a.example,avaya", ",,", "Bo,bo@a.example,cisco,,"];
    for separator in [",", ";", "\t", "|"] {
        let text = rows.join("\r\n").replace(',', separator);
        assert_eq!(agents(&read(text.as_bytes()).unwrap()), ["ada", "bo"], "{separator:?}");
        let declared = format!("sep={separator}\r\n{text}");
        assert_eq!(agents(&read(declared.as_bytes()).unwrap()), ["ada", "bo"], "{separator:?}");
    }
    let text = "Name;E-Mail;Team\nAda;ada@a.example;\"Billing, Returns\"\n";
    assert_eq!(read(text.as_bytes()).unwrap().users[0].team, "Billing, Returns");
    let bad = "sep=;\nname;email;adaptor\nAda;ada@a.example;nortel\n";
    assert!(self::rows(bad)[0].starts_with("row 2 "), "Excel shows no row for the separator");
}

#[test]
fn every_encoding_that_says_which_it_is_is_read() {
    let text = "name,email,adaptor\nJos\u{e9} Example,jose@a.example,avaya\n";
    let wide = |mark: [u8; 2], bytes: fn(u16) -> [u8; 2]| {
        let units = text.encode_utf16().flat_map(bytes);
        mark.into_iter().chain(units).collect::<Vec<u8>>()
    };
    let files = [
        ("UTF-8", text.as_bytes().to_vec()),
        ("UTF-8", format!("\u{feff}{text}").into_bytes()),
        ("UTF-16LE", wide([0xff, 0xfe], u16::to_le_bytes)),
        ("UTF-16BE", wide([0xfe, 0xff], u16::to_be_bytes)),
    ];
    for (encoding, bytes) in files {
        let file = read(bytes.as_slice()).unwrap();
        assert_eq!(file.users[0].name.reveal(), "Jos\u{e9} Example", "{encoding}");
        assert_eq!(file.encoding, encoding);
    }
}

#[test]
fn another_encoding_is_named_and_read_only_if_it_is_asked_for() {
    let file = b"name,email,adaptor\n\nJos\xe9,jose@a.example,avaya\n";
    let error = refused(file);
    assert!(error.starts_with("row 3: the file is not UTF-8; in Windows-1252"), "{error}");
    assert!(error.contains("\"\u{e9}\"") && error.contains("CSV UTF-8"), "{error}");
    let read = super::read(file.as_slice(), &with(&["encoding windows-1252"])).unwrap();
    assert_eq!(
        (read.users[0].name.reveal().as_str(), read.encoding),
        ("Jos\u{e9}", "windows-1252")
    );
    let error = super::read(file.as_slice(), &with(&["encoding utf-8"])).unwrap_err().to_string();
    assert!(error.contains("row 3: the file is not UTF-8, which was named"), "{error}");
    assert!("ebcdic-9".parse::<TextEncoding>().is_err());
}

#[test]
fn what_is_no_text_is_named_with_what_to_do() {
    let wide: Vec<u8> = "name,email\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let files: [(&[u8], &str); 6] = [
        (b"PK\x03\x04\x14\x00\x06\x00", "this is an Excel workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00", "this is an Excel workbook"),
        (b"PK\x03\x04..mimetypeapplication/vnd.oasis.opendocument.spreadsheet", "OpenDocument"),
        (b"\x1f\x8b\x08", "this is a gzip archive"),
        (b"%PDF-1.7", "this is a PDF"),
        (&wide, "UTF-16 without a byte order mark"),
    ];
    for (bytes, words) in files {
        let error = refused(bytes);
        assert!(error.contains(words) && error.contains("CSV"), "{error}");
    }
}

#[test]
fn a_quote_that_never_ends_is_named_by_its_row() {
    let text = "name,email,adaptor\n\"Ada,ada@a.example,avaya\nBo,bo@a.example,cisco\n";
    assert!(refused(text).contains("the quote opened in row 2 never ends"), "{}", refused(text));
    let text = "name,email,adaptor\n\"Ada,ada@a.example,avaya\nBo,\"bo@a.example\",cisco\n";
    assert!(rows(text)[0].contains("a quote opened in this row ends in a later one"));
    let text = "name,email,adaptor\n\"Ada,ada@a.example,avaya\n\"Bo\",bo@a.example,cisco\n";
    assert!(rows(text)[0].contains("a quote may be open in this row"), "{:?}", rows(text));
}

#[test]
fn columns_have_the_names_that_other_systems_use() {
    let text =
        "Full Name;E-Mail;Team Name;Agent ID;Platform\nAda;ada@a.example;Billing;ada;Avaya\n";
    let file = read(text.as_bytes()).unwrap();
    assert_eq!((file.users[0].team.as_str(), agents(&file)), ("Billing", vec!["ada"]));
    let fields = ["name", "email", "telephony_agent_id", "adaptor", "team"];
    assert_eq!(file.fields, fields);
    let bad = "Full Name;E-Mail\nAda;\n";
    assert_eq!(rows(bad), ["row 2 (Ada), E-Mail: is empty"], "in the file's own words");
}

#[test]
fn unknown_columns_are_all_named_unless_they_are_mapped_or_ignored() {
    let text = "Name,Email,Title,Department,Naem\nAda,ada@a.example,Agent,Billing,x\n";
    let error = refused(text);
    let words = "row 1 (the header): \"Title\", \"Department\", \"Naem\" (did you mean name?) are not columns";
    assert!(error.starts_with(words), "{error}");
    let file = super::read(text.as_bytes(), &with(&["ignore"])).unwrap();
    assert_eq!(file.ignored, ["Title", "Department", "Naem"]);
    assert_eq!(file.users[0].adaptor, Adaptor::GenesysCloud, "as of one who is added by command");
    let options = with(&["ignore", "map department=team", "map Naem=site"]);
    let file = super::read(text.as_bytes(), &options).unwrap();
    assert_eq!((file.users[0].team.as_str(), file.users[0].site.as_str()), ("Billing", "x"));
    let error = super::read(text.as_bytes(), &with(&["map Crew=team"])).unwrap_err().to_string();
    assert!(
        error.contains("no column is called \"Crew\"") && error.contains("\"Title\""),
        "{error}"
    );
}

#[test]
fn a_header_that_lacks_or_repeats_a_column_is_refused_in_its_own_words() {
    for (text, words) in [
        ("Full Name,Team\n", "no column for email; the file has \"Full Name\", \"Team\""),
        ("Name,E-Mail,Username\n", "\"E-Mail\" and \"Username\" are both email"),
        ("Ada,ada@a.example,avaya\n", "no column is known"),
        ("", "the file is empty"),
    ] {
        assert!(refused(text).contains(words), "{}", refused(text));
    }
    let text = "Name,E-Mail,Username\nAda,x,ada@a.example\n";
    let file = super::read(text.as_bytes(), &with(&["ignore", "map Username=email"])).unwrap();
    assert_eq!((agents(&file), &file.ignored[0][..]), (vec!["ada"], "E-Mail"));
}

#[test]
fn characters_that_cannot_be_seen_are_refused_by_code_point_and_place() {
    let odd = [
        ('\u{200b}', "zero-width space"),
        ('\u{feff}', "byte order mark"),
        ('\u{a0}', "no-break space"),
        ('\u{202e}', "bidirectional formatting"),
        ('\u{ad}', "soft hyphen"),
        ('\u{3164}', "invisible character"),
        ('\u{2007}', "space or line separator"),
        ('\u{fffd}', "replacement character"),
        ('\u{e000}', "invisible, private-use"),
        ('\u{2800}', "braille blank"),
        ('\u{7}', "control character"),
        ('\u{e0061}', "invisible character"),
    ];
    for (odd, what) in odd {
        for (column, text) in [
            ("name", format!("Z{odd}oe,zoe@a.example,zoe,Billing,grace")),
            ("email", format!("Zoe,zoe{odd}@a.example,zoe,Billing,grace")),
            ("email", format!("Zoe,zoe@a.ex{odd}ample,zoe,Billing,grace")),
            ("telephony_agent_id", format!("Zoe,zoe@a.example,z{odd}oe,Billing,grace")),
            ("team", format!("Zoe,zoe@a.example,zoe,Bill{odd}ing,grace")),
            ("supervisor", format!("Zoe,zoe@a.example,zoe,Billing,gr{odd}ace")),
        ] {
            let text = format!("name,email,telephony_agent_id,team,supervisor\n{text}\n");
            let errors = errors(&text);
            let first = errors.first[0].to_string();
            assert!(first.starts_with(&format!("row 2, {column}: contains U+")), "{first}");
            assert!(first.contains(&format!("{:04X} ({what}", u32::from(odd))), "{first}");
        }
    }
    let name = "name,email\nZ\u{200b}oe,zoe@a.example\n";
    assert!(rows(name)[0].contains("as character 2"), "{:?}", rows(name));
    let mark = "name,email\n\u{301},zoe@a.example\n";
    assert!(rows(mark)[0].contains("combining mark"), "{:?}", rows(mark));
}

#[test]
fn names_of_every_script_are_fine_and_taken_in_composed_form() {
    for name in [
        "Zo\u{eb}",
        "\u{645}\u{6cc}\u{200c}\u{62e}",
        "\u{915}\u{94d}\u{200d}\u{937}",
        "Team \u{2600}\u{fe0f}",
        "\u{738b}",
    ] {
        let text = format!("name,email\n{name},zoe@a.example\n");
        assert_eq!(read(text.as_bytes()).unwrap().users[0].name.reveal(), name);
    }
    let text = "name,email\nZoe\u{308},zoe\u{308}@a.example\nZoe,zo\u{eb}@b.example\n";
    let rows = rows(text);
    assert!(rows[0].contains("\"zo\u{eb}\" is the same as that of row 2"), "{rows:?}");
}

#[test]
fn a_username_that_no_call_can_match_is_refused_or_doubted() {
    for (email, words) in [
        ("<zoe@a.example>", "contains <"),
        ("mailto:zoe@a.example", "contains :"),
        ("zoe@a.example;ben@a.example", "contains ;"),
        ("zoe @a.example", "contains a blank"),
    ] {
        let rows = rows(&format!("name,email\nZoe,{email}\n"));
        assert!(rows.len() == 1 && rows[0].contains(words), "{rows:?}");
    }
    for (row, words) in [
        ("agent.kunde.example,,genesys-cloud", "has no @"),
        ("zoe@,,genesys-cloud", "has nothing after the @"),
        ("zoe\u{ff20}a.example,,genesys-cloud", "has no @"),
        ("z\u{43e}e@a.example,,genesys-cloud", "several alphabets"),
        ("\u{ff5a}oe@a.example,,genesys-cloud", "full-width"),
        ("zoe@a.example,zoe2,genesys-cloud", "is not what precedes the @"),
    ] {
        let text = format!("name,email,telephony_agent_id,adaptor\nZoe,{row}\n");
        let file = read(text.as_bytes()).unwrap();
        assert!(
            file.doubt_count == 1 && file.doubts[0].shown().contains(words),
            "{:?}",
            file.doubts
        );
        let elsewhere = text.replace("genesys-cloud", "avaya");
        assert_eq!(read(elsewhere.as_bytes()).unwrap().doubt_count, 0, "its calls are elsewhere");
    }
}

#[test]
fn totals_count_rows_and_the_faults_of_each_kind() {
    let bad = "name,email,adaptor,status\n,bo@a.example,nortel,gone\nCy,@,nortel,gone\nDi,di@a.example,cisco,\n";
    let told = errors(bad);
    assert_eq!(told.to_string(), "2 of 3 rows are bad (6 faults); nothing was imported");
    assert_eq!(told.totals[&("adaptor", FaultKind::UnknownValue)], 2);
    let many: String =
        (0..5_000).map(|n| format!("A,a{n}@a.example,genesis-cloud,gone\n")).collect();
    let told = errors(&format!("name,email,adaptor,status\n{many}"));
    let text = "5,000 of 5,000 rows are bad (10,000 faults); nothing was imported";
    assert_eq!((told.to_string().as_str(), told.first.len()), (text, NAMED_MAX));
    assert!(told.first[0].shown().ends_with("did you mean genesys-cloud?"), "{}", told.first[0]);
}

#[test]
fn nothing_that_may_be_logged_names_a_person() {
    let told = errors("name,email,adaptor\nOtto Oddly,otto@a.example,carrier-pigeon\n");
    let logged = format!("{told} {:?} {}", told.first, told.first[0]);
    for private in ["Otto", "otto", "pigeon"] {
        assert!(!logged.contains(private), "{logged}");
        assert!(private == "otto" || told.first[0].shown().contains(private));
    }
}

#[test]
fn a_file_for_excel_begins_with_a_byte_order_mark() {
    let file = read(SAMPLE.as_bytes()).unwrap();
    let mut text = Vec::new();
    write(&mut text, &file.users, FileStyle::Excel).unwrap();
    assert!(text.starts_with(b"\xef\xbb\xbf\"name\""));
    assert_eq!(read(text.as_slice()).unwrap(), file);
}

/// Fields that try everything which is special to files and spreadsheets.
fn field() -> impl Strategy<Value = String> {
    let odd = "['=+@;,\"\r\n\t\u{ff1d} \u{7f}-]{0,4}[a-z'=,\" ]{0,6}";
    prop_oneof![odd, "\\PC{0,12}", "[a-z]{1,8}"]
}

proptest! {
    #[test]
    fn no_file_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(bytes.as_slice());
    }

    #[test]
    fn export_then_import_changes_nothing(
        people in prop::collection::vec(prop::array::uniform5(field()), 1..12)
    ) {
        let mut users: Vec<User> = Vec::new();
        for [name, email, team, supervisor, site] in &people {
            let fields = Fields {
                name, email, team, supervisor, site,
                adaptor: "avaya",
                ..Fields::default()
            };
            match fields.check() {
                Ok(user) if users.iter().all(|other| other.agent != user.agent) => {
                    users.push(user);
                }
                Ok(_) | Err(_) => {}
            }
        }
        let mut text = Vec::new();
        write(&mut text, &users, FileStyle::Plain).unwrap();
        let read_back = read(text.as_slice());
        prop_assert!(read_back.is_ok(), "{read_back:?}");
        prop_assert!(read_back.unwrap().users == users);
        let text = String::from_utf8(text).unwrap();
        let mut fields = csv::ReaderBuilder::new().has_headers(false)
            .from_reader(text.as_bytes());
        for row in fields.records() {
            for field in row.unwrap().iter() {
                prop_assert!(!field.starts_with(['=', '+', '-', '@', '\t', '\r']), "{field}");
                prop_assert!(!field.chars().any(char::is_control), "{field:?}");
            }
        }
    }
}
