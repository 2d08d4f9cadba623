//! The users API as it was deployed: real tokens, the gateway's authorizer, the function behind it.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::caller::{CLAIM, Caller};
use crate::world::deployed;

const FILE: &str = "\
name,email,adaptor,team
Ada,ada@a.example,genesys-cloud,Billing
Bo,bo@a.example,avaya,Billing
";

#[test]
fn users_are_listed_made_found_changed_and_remembered() {
    deployed(async |world| {
        let caller = Caller::new(world);
        let (status, imported) = caller.import(FILE).await;
        assert_eq!((status, &imported["counts"]["added"]), (StatusCode::OK, &json!(2)));
        let (status, bad) = caller.import(&format!("{FILE}Cy,,nortel,\n")).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        let error = &bad["errors"][0];
        assert_eq!((&error["row"], &error["field"]), (&json!(4), &json!("email")), "{bad}");
        assert_eq!(
            (&error["person"], &error["reason"]),
            (&json!("Cy"), &json!("is empty")),
            "{bad}"
        );

        let new = json!({ "name": "J\u{f6}rg", "username": "j\u{f6}rg+1@a.example",
                          "adaptor": "genesys-cloud" });
        let (status, made) = caller.json(Method::POST, "/v1/users", Some(new)).await;
        assert_eq!((status, &made["agent"]), (StatusCode::CREATED, &json!("j\u{f6}rg+1")));
        let at = "/v1/users/j%C3%B6rg+1";
        let moved = json!({ "adaptor": "cisco" });
        let (_, moved) = caller.json(Method::PATCH, at, Some(moved)).await;
        assert_eq!(moved["adaptor"], "cisco");
        let (_, found) = caller.json(Method::GET, at, None).await;
        assert_eq!(found, moved);
        let (_, page) =
            caller.json(Method::GET, "/v1/users?limit=1&find=BILLING%20ada", None).await;
        assert_eq!((&page["users"][0]["agent"], &page["next"]), (&json!("ada"), &Value::Null));

        let (_, page) = caller.json(Method::GET, "/v1/history?limit=2", None).await;
        let entry = &page["history"][0];
        assert_eq!((&entry["kind"], &entry["way"]), (&json!("moved"), &json!("api")));
        assert_eq!(entry["by"], "grace@a.example (grace)");
        let (status, _) = caller.json(Method::POST, "/v1/changes/3/undo", None).await;
        assert_eq!(status, StatusCode::OK);
        let (status, _) = caller.json(Method::DELETE, at, None).await;
        assert_eq!(status, StatusCode::NO_CONTENT);
        let export = caller.send(Method::GET, "/v1/export", "", Vec::new()).await;
        assert_eq!(export.headers()["content-type"], "text/csv; charset=utf-8");
        assert_eq!(export.text().await.expect("a file").lines().count(), 3);
    });
}

#[test]
fn another_organizations_user_is_as_good_as_none() {
    deployed(async |world| {
        let (ours, theirs) = (Caller::new(world), Caller::new(world));
        ours.import(FILE).await;
        for method in [Method::GET, Method::PATCH, Method::DELETE] {
            let body = || Some(json!({ "team": "x" }));
            let (status, one) = theirs.json(method.clone(), "/v1/users/ada", body()).await;
            let (_, none) = theirs.json(method, "/v1/users/zoe", body()).await;
            assert_eq!(status, StatusCode::NOT_FOUND);
            assert_eq!(one.to_string().replace("ada", "zoe"), none.to_string());
        }
        let (_, page) = theirs.json(Method::GET, "/v1/users", None).await;
        assert_eq!(page["users"], json!([]));
        let (_, ada) = ours.json(Method::GET, "/v1/users/ada", None).await;
        assert_eq!(ada["team"], "Billing");
    });
}

#[test]
fn nobody_is_let_in_without_a_good_token_that_names_an_organization() {
    deployed(async |world| {
        let refused = async |caller: &Caller| caller.json(Method::GET, "/v1/users", None).await;
        let organization = Uuid::new_v4().to_string();
        let now = world.clock.now().as_millis() / 1_000;
        for wrong in [
            json!({ CLAIM: organization, "aud": "another" }),
            json!({ CLAIM: organization, "iss": "https://another.example" }),
            json!({ CLAIM: organization, "exp": now - 60 }),
        ] {
            let (status, _) = refused(&Caller::with(world, &wrong)).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{wrong}");
        }
        let good = Caller::new(world);
        let (signed, signature) = good.token.rsplit_once('.').expect("a signature");
        let forged = signature.replace(['A', 'B', 'C', 'D'], "E");
        for token in [String::new(), format!("{signed}.{forged}"), "x".to_owned()] {
            let (status, _) = refused(&Caller::with_token(world, token)).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED);
        }
        for claims in [json!({}), json!({ CLAIM: "acme" }), json!({ CLAIM: [organization] })] {
            let (status, problem) = refused(&Caller::with(world, &claims)).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{claims}");
            let detail = problem["detail"].as_str().expect("a detail");
            assert!(detail.contains(CLAIM), "{detail}");
        }
        let (status, _) = refused(&good).await;
        assert_eq!(status, StatusCode::OK);
    });
}

#[test]
fn genesys_is_asked_by_the_stacks_own_client() {
    deployed(async |world| {
        let ours = json!({ CLAIM: world.at.genesys.organization });
        let ours = Caller::with(world, &ours);
        let (status, coverage) = ours.json(Method::GET, "/v1/coverage", None).await;
        assert_eq!(status, StatusCode::OK, "{coverage}");
        assert_eq!(coverage["organization"], json!(world.at.genesys.organization));
        let tried = || Some(json!({ "dry_run": true }));
        let (status, synced) = ours.json(Method::POST, "/v1/users/sync", tried()).await;
        assert_eq!((status, &synced["change"]), (StatusCode::OK, &Value::Null), "{synced}");
        assert!(synced["listed"].as_u64() > Some(1), "{synced}");
        assert_eq!(synced["looked_at"], synced["listed"]);
        let theirs = Caller::new(world);
        for (method, at, body) in
            [(Method::GET, "/v1/coverage", None), (Method::POST, "/v1/users/sync", tried())]
        {
            let (status, problem) = theirs.json(method, at, body).await;
            assert!(status.is_client_error(), "another's people are not told: {problem}");
        }
    });
}

#[test]
fn what_is_too_large_for_the_gateway_is_told_of_the_bucket_and_large_answers_are_compressed() {
    deployed(async |world| {
        let caller = Caller::new(world);
        let row = |number: u32| format!("A {number},a{number}@a.example,avaya,{number}\n");
        let rows = |count| (0..count).map(row).collect::<String>();
        let large = format!("name,email,adaptor,team\n{}", rows(120_000));
        let (status, problem) = caller.import(&large).await;
        assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{problem}");
        assert!(problem["detail"].to_string().contains("UsersBucketName"), "{problem}");
        let file = format!("name,email,adaptor,team\n{}", rows(8_000));
        let tried = caller.send(Method::POST, "/v1/import?dry_run=true", "text/csv", file.into());
        let tried = tried.await;
        assert_eq!(tried.status(), StatusCode::OK);
        assert_eq!(tried.headers()["content-encoding"], "gzip");
    });
}
