//! Who calls: what the claims of a verified token say, and nothing else of the request.

use sidetone_users_api::{Bearer, Caller, Operator, Problem};

use crate::event::HttpEvent;

/// The claim that says of an operator of the deployment that it is one, by the text `true`.
const OPERATOR_CLAIM: &str = "sidetone_operator";

/// Reads off the token's claims whom it speaks for: somebody of an organization, an operator of
/// the deployment, or one who is both.
///
/// Errors: a [`Problem`] with status 403 if the token is good but not for this.
pub(crate) fn bearer(event: &HttpEvent, organization_claim: &str) -> Result<Bearer, Problem> {
    let operates = event.claim(OPERATOR_CLAIM) == Some("true");
    if !operates {
        return caller(event, organization_claim).map(Bearer::Caller);
    }
    match event.claim(organization_claim) {
        Some(_) => caller(event, organization_claim).map(Bearer::Both),
        None => Ok(Bearer::Operator(Operator { name: name(event)? })),
    }
}

/// Reads the caller off the token's claims.
///
/// The name is the token's subject, which nobody chooses, with the e-mail address before it for
/// whoever reads the history, if the token has one.
/// Errors: a [`Problem`] with status 403 if the token is good but not for this.
fn caller(event: &HttpEvent, organization_claim: &str) -> Result<Caller, Problem> {
    let organization = event.claim(organization_claim).ok_or_else(|| {
        Problem::forbidden(format!("the token has no claim {organization_claim}"))
    })?;
    let organization = organization.parse().map_err(|_| {
        Problem::forbidden(format!("the claim {organization_claim} is no organization's id"))
    })?;
    Ok(Caller { organization, name: name(event)? })
}

fn name(event: &HttpEvent) -> Result<String, Problem> {
    let subject = event.claim("sub").or_else(|| event.claim("client_id"));
    let subject =
        subject.ok_or_else(|| Problem::forbidden("the token has neither sub nor client_id"))?;
    Ok(match event.claim("email") {
        Some(email) => format!("{email} ({subject})"),
        None => subject.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const CLAIM: &str = "sidetone_organization";
    const ORGANIZATION: &str = "0f0e0d0c-0b0a-4908-8706-050403020100";

    fn event_of(claims: &Value) -> HttpEvent {
        let event = json!({
            "rawPath": "/v1/users",
            "rawQueryString": format!("{CLAIM}={ORGANIZATION}"),
            "headers": { CLAIM: ORGANIZATION, "authorization": "Bearer x" },
            "requestContext": {
                "http": { "method": "GET" },
                "authorizer": { "jwt": { "claims": claims, "scopes": null } },
            },
        });
        serde_json::from_value(event).unwrap()
    }

    fn of(claims: &Value) -> Result<Caller, Problem> {
        caller(&event_of(claims), CLAIM)
    }

    #[test]
    fn an_operator_is_one_by_its_claim_alone() {
        let of = |claims: Value| bearer(&event_of(&claims), CLAIM);
        let name = "00u1".to_owned();
        let operator = of(json!({ "sub": "00u1", "sidetone_operator": "true" }));
        assert_eq!(operator, Ok(Bearer::Operator(Operator { name })));
        let both = json!({ "sub": "00u1", CLAIM: ORGANIZATION, "sidetone_operator": "true" });
        assert!(matches!(of(both), Ok(Bearer::Both(_))));
        for no in ["false", "1", "TRUE", ""] {
            let caller = json!({ "sub": "00u1", CLAIM: ORGANIZATION, "sidetone_operator": no });
            assert!(matches!(of(caller), Ok(Bearer::Caller(_))), "{no}");
            assert!(of(json!({ "sub": "00u1", "sidetone_operator": no })).is_err(), "{no}");
        }
        assert!(of(json!({ "sidetone_operator": "true" })).is_err(), "nobody has no name");
    }

    #[test]
    fn the_claims_say_whose_users_and_who() {
        let both = of(&json!({ CLAIM: ORGANIZATION, "sub": "00u1", "email": "grace@a.example" }));
        assert_eq!(both.unwrap().name, "grace@a.example (00u1)");
        let service = of(&json!({ CLAIM: ORGANIZATION, "sub": "00u1" })).unwrap();
        assert_eq!(
            (service.name.as_str(), service.organization.to_string().as_str()),
            ("00u1", ORGANIZATION)
        );
        let client = of(&json!({ CLAIM: ORGANIZATION, "client_id": "hr" })).unwrap();
        assert_eq!(client.name, "hr");
    }

    #[test]
    fn a_token_that_does_not_say_it_is_good_for_nothing() {
        let many = format!("[{ORGANIZATION} {ORGANIZATION}]");
        for (claims, words) in [
            (json!({ "sub": "00u1" }), "has no claim sidetone_organization"),
            (json!({ "sub": "00u1", CLAIM: " " }), "has no claim"),
            (json!({ "sub": "00u1", CLAIM: "acme" }), "no organization's id"),
            (json!({ "sub": "00u1", CLAIM: many }), "no organization's id"),
            (json!({ CLAIM: ORGANIZATION, "email": "grace@a.example" }), "neither sub"),
            (Value::Null, "has no claim"),
        ] {
            let problem = of(&claims).unwrap_err();
            let text = serde_json::to_string(&problem).unwrap();
            assert!(problem.status().as_u16() == 403 && text.contains(words), "{text}");
        }
    }
}
