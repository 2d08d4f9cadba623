//! Who is let in without a token, what changes at the same time do, and what Genesys says no to.

use super::*;

fn local(hosts: &[&str]) -> Guard {
    let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
    Guard::Loopback { caller: caller(OURS, "local"), hosts }
}

#[tokio::test(start_paused = true)]
async fn request_that_names_another_host_is_misdirected() {
    let bench = Bench::start(local(&["sidetone.internal"]), NoPlatforms).await;
    let cases = [
        ("localhost", StatusCode::OK),
        ("LOCALHOST:8090", StatusCode::OK),
        ("localhost.", StatusCode::OK),
        ("127.9.9.9:1", StatusCode::OK),
        ("[::1]:8090", StatusCode::OK),
        ("[::ffff:127.0.0.1]", StatusCode::OK),
        ("Sidetone.internal:80", StatusCode::OK),
        ("evil.example", StatusCode::MISDIRECTED_REQUEST),
        ("127.0.0.1.evil.example", StatusCode::MISDIRECTED_REQUEST),
        ("localhost.evil.example", StatusCode::MISDIRECTED_REQUEST),
        ("evil.example#localhost", StatusCode::MISDIRECTED_REQUEST),
        ("localhost@evil.example", StatusCode::MISDIRECTED_REQUEST),
        ("192.0.2.7", StatusCode::MISDIRECTED_REQUEST),
        ("", StatusCode::MISDIRECTED_REQUEST),
    ];
    for path in [USERS, EXPORT, "/v1/openapi.json", "/v1/elsewhere"] {
        for (host, expected) in cases {
            let asked = bench.client.get(format!("{}{path}", bench.base)).header("host", host);
            let answer = asked.send().await.unwrap();
            let expected = match expected {
                StatusCode::OK if path == "/v1/elsewhere" => StatusCode::NOT_FOUND,
                expected => expected,
            };
            assert_eq!(answer.status(), expected, "{path} of {host:?}");
            assert!(!answer.headers().contains_key("access-control-allow-origin"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn this_machine_is_let_in_and_a_page_in_its_browser_is_not() {
    let bench = Bench::start(local(&[]), NoPlatforms).await;
    let (status, _) = bench.ask(Method::GET, USERS, USERS, "", |it| it).await;
    assert_eq!(status, StatusCode::OK);
    let page = bench.client.get(format!("{}{USERS}", bench.base));
    let page = page.header("origin", "https://evil.example").send().await.unwrap();
    assert_eq!(page.status(), StatusCode::FORBIDDEN);
}

#[test]
fn an_address_that_others_reach_needs_tokens_that_cannot_be_guessed() {
    let local = local(&[]);
    let open: SocketAddr = "0.0.0.0:8090".parse().unwrap();
    assert_eq!(local.check(open), Err(GuardError::Open(open)));
    assert_eq!(local.check("[::1]:8090".parse().unwrap()), Ok(()));
    let token = |secret: &str| {
        let bearer = Bearer::Caller(caller(OURS, "grace"));
        let token = ApiToken { secret: secret.to_owned(), bearer };
        assert!(!format!("{token:?}").contains(secret), "a secret is never printed");
        Guard::Tokens(vec![token])
    };
    let short = GuardError::Short { name: "grace".to_owned() };
    assert_eq!(token("guessable").check(open), Err(short));
    assert_eq!(token(OUR_TOKEN).check(open), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn changes_at_the_same_time_all_count() {
    let bench = Arc::new(Bench::with_tokens().await);
    bench.import(IMPORT, FILE).await;
    let fields = ["team", "site", "supervisor", "name"];
    let changes = fields.map(|field| {
        let bench = Arc::clone(&bench);
        tokio::spawn(async move {
            let body = Some(json!({ field: "changed" }));
            bench.json(Method::PATCH, USER, "/v1/users/ada", body).await
        })
    });
    for change in changes {
        assert_eq!(change.await.unwrap().0, StatusCode::OK);
    }
    let (_, ada) = bench.json(Method::GET, USER, "/v1/users/ada", None).await;
    assert!(fields.iter().all(|field| ada[field] == "changed"), "{ada}");
}

#[tokio::test(start_paused = true)]
async fn genesys_is_asked_only_with_a_client_of_the_callers_own_organization() {
    let bench = Bench::with_tokens().await;
    let (status, nobody) = bench.json(Method::GET, COVERAGE, COVERAGE, None).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(nobody["detail"].as_str().unwrap().contains("sidetone org add"), "{nobody}");

    let bench = Bench::asking(Locked).await;
    let (status, later) = bench.json(Method::GET, COVERAGE, COVERAGE, None).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!later.to_string().contains("on fire"), "what is behind the door is not told");

    let (_platform, client) = genesys(|_| {}).await;
    let bench = Bench::asking(client).await;
    for (method, path) in [(Method::GET, COVERAGE), (Method::POST, SYNC)] {
        let with = |request: RequestBuilder| request.json(&json!({}));
        let (status, text) = bench.ask(method, path, path, THEIR_TOKEN, with).await;
        assert_eq!(status, StatusCode::CONFLICT);
        assert!(text.contains("another organization") && !text.contains("a.example"), "{text}");
    }
    let (_, page) = bench.ask(Method::GET, USERS, USERS, THEIR_TOKEN, |it| it).await;
    assert_eq!(page, r#"{"users":[],"next":null}"#);
}

#[tokio::test(start_paused = true)]
async fn what_genesys_says_no_to_is_said_with_what_to_do() {
    let (platform, client) = genesys(|config| {
        config.missing_permissions.insert("routing:queue:view".to_owned());
    })
    .await;
    let bench = Bench::asking(client).await;
    let (status, refused) = bench.json(Method::GET, COVERAGE, COVERAGE, None).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(refused["detail"].as_str().unwrap().contains("Routing > Queue > View"), "{refused}");
    let failure = Failure::Status { status: 400, retry_after: None };
    platform.fail_next_at("/queues", 1, failure);
    let (status, failed) = bench.json(Method::GET, COVERAGE, COVERAGE, None).await;
    assert_eq!((status, &failed["title"]), (StatusCode::BAD_GATEWAY, &json!("try again")));
    // The first page is read, and the second fails: nobody of the first is added.
    (7..=600).for_each(|number| platform.put_user(sim_user(number, &format!("a{number}@a"))));
    platform.fail_next_at("pageNumber=2", 1, failure);
    let (status, failed) = bench.json(Method::POST, SYNC, SYNC, Some(json!({}))).await;
    assert_eq!((status, &failed["title"]), (StatusCode::BAD_GATEWAY, &json!("try again")));
    let (_, page) = bench.json(Method::GET, USERS, USERS, None).await;
    assert_eq!(page["users"], json!([]), "nothing was changed");
    platform.stop().await;
    let (status, late) = bench.json(Method::GET, COVERAGE, COVERAGE, None).await;
    assert_eq!((status, &late["title"]), (StatusCode::GATEWAY_TIMEOUT, &json!("try again")));
}
