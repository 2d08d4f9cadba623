//! Fifty events of one session at once, mixed up and doubled, as API Gateway may deliver them.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures_util::future::join_all;
use rand::seq::SliceRandom;
use rand::{SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use sidetone_model::{ConversationId, SessionId};
use uuid::Uuid;

use crate::client::{Client, Heard, Knock};
use crate::world::{World, deployed};

/// Messages of the session behind `open`; each is delivered twice.
const MESSAGES: u64 = 25;

/// What the client says, in order; the last is `close`.
fn messages(client: &mut Client) -> Vec<Value> {
    let said = |number| match number {
        MESSAGES => ("close", json!({ "reason": "end" })),
        n if n % 7 == 0 => ("update", json!({ "language": "en-GB" })),
        _ => ("ping", json!({})),
    };
    let all = (1..=MESSAGES).map(said);
    all.map(|(kind, parameters)| client.message(kind, parameters)).collect()
}

/// Writes the event of a message, as API Gateway writes it.
fn event(world: &World, connection: &str, message: &Value) -> Value {
    let now = world.clock.now().as_millis();
    let id = Uuid::new_v4().simple().to_string();
    json!({
        "requestContext": {
            "routeKey": "$default", "eventType": "MESSAGE", "messageDirection": "IN",
            "messageId": id, "requestId": id, "extendedRequestId": id,
            "connectionId": connection, "connectedAt": now, "requestTimeEpoch": now,
            "stage": "audiohook",
            "domainName": "api.execute-api.us-east-1.amazonaws.com",
            "apiId": world.stack().output("ApiId").expect("an output"),
            "identity": { "sourceIp": "127.0.0.1", "userAgent": null },
        },
        "body": message.to_string(),
        "isBase64Encoded": false,
    })
}

/// Finds what the API calls the connection of a session: its state names both.
async fn connection_of(world: &World, session: SessionId) -> String {
    let table = world.stack().output("CallsTable").expect("an output");
    let (text, binary) = (session.to_string(), session.uuid());
    let mut from = Value::Null;
    loop {
        let mut question = json!({
            "TableName": table,
            "FilterExpression": "begins_with(pk, :connection)",
            "ExpressionAttributeValues": { ":connection": { "S": "connection#" } },
        });
        if !from.is_null() {
            question["ExclusiveStartKey"] = from;
        }
        let answer = world.cloud.json("dynamodb", "DynamoDB_20120810.Scan", &question).await;
        let answer = answer.expect("readable");
        for item in answer["Items"].as_array().expect("items") {
            let bytes = item["bytes"]["B"].as_str().unwrap_or_default();
            let bytes = BASE64_STANDARD.decode(bytes).expect("base64");
            let holds = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
            if holds(text.as_bytes()) || holds(binary.as_bytes()) {
                let key = item["pk"]["S"].as_str().expect("a key");
                return key.trim_start_matches("connection#").to_owned();
            }
        }
        from = answer["LastEvaluatedKey"].clone();
        assert!(!from.is_null(), "no connection of session {session}");
    }
}

/// Returns type and `clientseq` of all that a door says until `closed`; the client checks that
/// its numbers have no holes.
async fn replies(client: &mut Client) -> Vec<(String, u64)> {
    let mut replies = Vec::new();
    loop {
        match client.next().await {
            Heard::Said(said) => {
                let kind = said["type"].as_str().expect("a type").to_owned();
                let closed = kind == "closed";
                replies.push((kind, said["clientseq"].as_u64().expect("a number")));
                if closed {
                    return replies;
                }
            }
            Heard::Closed(code) => panic!("closed with {code:?} after {replies:?}"),
        }
    }
}

async fn opened(world: &World) -> Client {
    let knock = Knock::at(world, &world.stack().api_door);
    let mut client = knock.connect().await.expect("let in");
    client.open(world, ConversationId::new(Uuid::new_v4())).await;
    client
}

#[test]
fn fifty_events_at_once_give_what_order_gives() {
    deployed(async |world| {
        // In order, one after another, by the API itself.
        let mut orderly = opened(world).await;
        let said = messages(&mut orderly);
        let function = world.stack().output("MessageFunction").expect("an output");
        let connection = connection_of(world, orderly.session).await;
        for message in &said {
            let answer = world.cloud.invoke(function, &event(world, &connection, message)).await;
            assert!(!answer.expect("an answer").failed);
        }
        let expected = replies(&mut orderly).await;

        // Environments that have started before, as those of a busy door have.
        let nobody = event(world, "bm9ib2R5=", &said[0]);
        let warming = (0..2 * MESSAGES).map(|_| world.cloud.invoke(function, &nobody));
        join_all(warming).await;

        let mut client = opened(world).await;
        let said = messages(&mut client);
        let connection = connection_of(world, client.session).await;
        let mut events: Vec<_> =
            said.iter().chain(&said).map(|one| event(world, &connection, one)).collect();
        let seed = rand::random::<u64>();
        events.shuffle(&mut StdRng::seed_from_u64(seed));
        let invoking = join_all(events.iter().map(|one| world.cloud.invoke(function, one)));
        let (answers, heard) = tokio::join!(invoking, replies(&mut client));
        for answer in answers {
            let answer = answer.expect("an answer");
            assert!(!answer.failed, "seed {seed}: {:?}", answer.payload);
        }
        assert_eq!(heard, expected, "seed {seed}");
    });
}
