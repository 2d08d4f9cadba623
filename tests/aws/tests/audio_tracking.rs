//! The tracker in the task of the ALB door, which takes turns with the function.

use std::time::Duration;

use serde_json::json;
use sidetone_genesys_sim::{Cast, Conversation, Customer, Queue, Standing};
use sidetone_model::{ConversationId, ConversationKey};
use sidetone_ports::CallStore;
use sidetone_tests_aws::tables;
use uuid::Uuid;

use crate::world::{World, deployed, until};

/// Returns who holds the tracker's lease of the stack whose door tracks.
async fn holder(world: &World) -> Option<String> {
    let table = world.at.text_stack.output("TrackerTable").expect("an output");
    let question = json!({
        "TableName": table,
        "FilterExpression": "begins_with(pk, :lease) AND offered = :no",
        "ExpressionAttributeValues": { ":lease": { "S": "lease#tracker" }, ":no": { "BOOL": false } },
    });
    let answer = world.cloud.json("dynamodb", "DynamoDB_20120810.Scan", &question).await;
    let answer = answer.expect("readable");
    answer["Items"][0]["holder"]["S"].as_str().map(str::to_owned)
}

#[test]
fn a_call_is_tracked_while_the_audio_doors_task_holds_the_lease() {
    deployed(async |world| {
        let genesys = &world.at.text_genesys;
        let platform = genesys.start(world.clock).await.expect("nobody else plays it");
        let store = world.aws.store(tables(&world.at.text_stack).expect("outputs"));
        let person = Cast::of(Standing::Ours).next().expect("somebody");
        until("the door's task tracks a call", async || {
            let before = holder(world).await.filter(|name| name.starts_with("door-"))?;
            let conversation = ConversationId::new(Uuid::new_v4());
            let key = ConversationKey { organization: genesys.organization, conversation };
            let customer = Customer {
                name: "Springfield, XX".to_owned(),
                ani: "+15555550100".to_owned(),
                dnis: "+15555550199".to_owned(),
            };
            let name = "A queue".to_owned();
            let queue = Queue { id: Uuid::new_v4(), name, auto_answer: false };
            let mut call = Conversation::inbound(key, customer, queue, world.clock.now());
            call.ring(&person.sim_user(), world.clock.now());
            platform.publish(&call.snapshot(), Duration::ZERO);
            tokio::time::sleep(Duration::from_secs(5)).await;
            let items = store.query(key, world.clock.now()).await.expect("readable");
            let is_known = items.iter().any(|item| item.name.starts_with("leg#"));
            // Under the same holder all the time: nobody else has told of it.
            (is_known && holder(world).await? == before).then_some(())
        })
        .await;
    });
}
