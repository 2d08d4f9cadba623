//! Files of users by HTTP: read as spreadsheets write them, or refused with what to do.

use super::*;

#[tokio::test(start_paused = true)]
async fn files_are_refused_by_row_field_and_limit() {
    let bench = Bench::with_tokens().await;
    let (status, bad) = bench.import(IMPORT, &format!("{FILE}Di,,nortel,x\n")).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let empty = json!({ "row": 5, "field": "email", "person": "Di", "reason": "is empty" });
    assert_eq!(bad["errors"][0], empty);
    assert_eq!(bad["errors"][1]["value"], "nortel");
    assert_eq!(bad["errors"][1]["field"], "adaptor");
    let (status, bad) = bench.import(IMPORT, "name,email,adaptor,pay\n").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(bad["detail"].as_str().unwrap().contains("pay"), "{bad}");
    for bytes in [5 * 1024 * 1024 + 1, 5 * 1024 * 1024 + 2] {
        let file = format!("name,email,adaptor\n{}", "\n".repeat(bytes - 19));
        let (status, bad) = bench.import(IMPORT, &file).await;
        assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
        assert!(bad["detail"].as_str().unwrap().contains("5 MiB"), "{bad}");
    }
    let long = format!("name,email,adaptor\n{}", "A,a@a.example,avaya\n".repeat(50_001));
    let (status, bad) = bench.import(IMPORT, &long).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(bad["detail"].as_str().unwrap().contains("50,000 rows"), "{bad}");
    let json = |request: RequestBuilder| request.json(&json!({}));
    let (status, _) = bench.ask(Method::POST, IMPORT, IMPORT, OUR_TOKEN, json).await;
    assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let (_, page) = bench.json(Method::GET, USERS, USERS, None).await;
    assert_eq!(page["users"], json!([]), "nothing of all that is imported");
}

#[tokio::test(start_paused = true)]
async fn a_file_is_imported_as_its_spreadsheet_wrote_it() {
    let bench = Bench::with_tokens().await;
    let file =
        "\u{feff}Name;E-Mail;Department;Title\r\nZo\u{eb};zoe@a.example;Billing;Agent\r\n;;;\r\n";
    let (status, bad) = bench.import(IMPORT, file).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let detail = bad["detail"].as_str().unwrap();
    assert!(detail.contains("\"Department\", \"Title\"") && detail.contains("map="), "{detail}");
    let at = "/v1/import?ignore_unknown=true&map=Department%3Dteam";
    let (status, done) = bench.import(at, file).await;
    assert_eq!((status, &done["ignored_columns"]), (StatusCode::OK, &json!(["Title"])));
    assert_eq!(done["changes"][0]["after"]["team"], "Billing");
    let odd = "name,email\nEve,agent.kunde.example\n";
    let (_, done) = bench.import(IMPORT, odd).await;
    assert_eq!(done["doubts"][0]["field"], "email");
    let at = format!("{EXPORT}?excel=true");
    let (_, file) = bench.ask(Method::GET, EXPORT, &at, OUR_TOKEN, |it| it).await;
    assert!(file.contains("\"name\""), "{file}");
    let asked = bench.client.get(format!("{}{at}", bench.base)).bearer_auth(OUR_TOKEN);
    let bytes = asked.send().await.unwrap().bytes().await.unwrap();
    assert!(bytes.starts_with(b"\xef\xbb\xbf"), "a client's text leaves the mark out");
}

#[tokio::test(start_paused = true)]
async fn another_encoding_is_read_where_it_is_named() {
    let bench = Bench::with_tokens().await;
    let latin = |request: RequestBuilder| {
        let file = b"name,email\nJos\xe9,jose@a.example\n".to_vec();
        request.header("content-type", "text/csv").body(file)
    };
    let (status, text) = bench.ask(Method::POST, IMPORT, IMPORT, OUR_TOKEN, latin).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(text.contains("encoding=windows-1252"), "{text}");
    let at = format!("{IMPORT}?encoding=windows-1252");
    let (status, text) = bench.ask(Method::POST, IMPORT, &at, OUR_TOKEN, latin).await;
    assert_eq!(status, StatusCode::OK);
    assert!(text.contains("Jos\u{e9}"), "{text}");
    for odd in ["encoding=ebcdic-9", "map=x", "ignore_unknown=perhaps", "confirm_removals=-1"] {
        let (status, bad) = bench.import(&format!("{IMPORT}?{odd}"), FILE).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{odd}: {bad}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_import_that_would_remove_many_users_is_refused_until_it_is_confirmed() {
    let bench = Bench::with_tokens().await;
    bench.import(IMPORT, FILE).await;
    let one = "name,email,adaptor\nAda,ada@a.example,genesys-cloud\n";
    let (status, many) = bench.import("/v1/import?replace=true", one).await;
    assert_eq!(status, StatusCode::CONFLICT);
    let detail = many["detail"].as_str().unwrap();
    assert!(detail.contains("2 of 3 users") && detail.contains("confirm_removals=2"), "{detail}");
    let tried = bench.import("/v1/import?replace=true&dry_run=true", one).await.1;
    assert_eq!(tried["counts"]["removed"], 2);
    let done = bench.import("/v1/import?replace=true&confirm_removals=2", one).await.1;
    assert_eq!(done["counts"]["removed"], 2);
}
