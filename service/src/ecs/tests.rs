//! A tiny ECS agent, and what is said to it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// The request's first line without the version, and its body.
pub(crate) type Request = (String, Value);

/// Answers each request with the next of its answers, the last one for ever.
pub(crate) struct FakeEcs {
    address: std::net::SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl FakeEcs {
    pub(crate) async fn start(answers: Vec<(u16, Value)>) -> Self {
        choose_tls();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            let mut answers = answers.into_iter().peekable();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let request = read(&mut stream).await;
                seen.lock().unwrap().push(request);
                let answer = answers.peek().cloned().unwrap();
                if answers.len() > 1 {
                    answers.next();
                }
                let (status, body) = (answer.0, answer.1.to_string());
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 {status} x\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
                );
                stream.write_all((head + &body).as_bytes()).await.unwrap();
            }
        });
        Self { address, requests }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    pub(crate) async fn next_request(&self) -> Request {
        let known = self.requests().len();
        for _ in 0..500 {
            if let Some(request) = self.requests().get(known) {
                return request.clone();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("nobody asked for 5 s");
    }
}

/// The provider that `start` installs in the real process.
fn choose_tls() {
    sidetone_lambda_start::choose_tls();
}

async fn read(stream: &mut TcpStream) -> Request {
    let mut bytes = Vec::new();
    loop {
        stream.read_buf(&mut bytes).await.unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .map_or(0, |(_, length)| length.parse().unwrap());
        if body.len() >= length {
            let line = head.lines().next().unwrap().trim_end_matches(" HTTP/1.1").to_owned();
            return (line, serde_json::from_str(body).unwrap_or(Value::Null));
        }
    }
}

#[tokio::test]
async fn the_id_is_the_end_of_the_arn() {
    let arn = "arn:aws:ecs:us-west-2:111122223333:task/default/158d1c8083dd49d6b527399fd6414f5c";
    let ecs = FakeEcs::start(vec![
        (200, json!({"Cluster": "default", "TaskARN": arn, "Family": "door", "Revision": "7"})),
        (200, json!({"TaskARN": "none"})),
        (500, json!({})),
    ])
    .await;
    let task = Task::at(Some(format!("{}/v4/abc", ecs.url())), None);
    let id = task.id().await.unwrap();
    assert_eq!(id.as_deref(), Some("158d1c8083dd49d6b527399fd6414f5c"));
    assert_eq!(ecs.requests()[0].0, "GET /v4/abc/task");
    assert!(matches!(task.id().await, Err(EcsError::Arn(_))));
    assert!(matches!(task.id().await, Err(EcsError::Request(_))));
}

#[tokio::test]
async fn outside_ecs_there_is_no_id() {
    choose_tls();
    assert_eq!(Task::at(None, None).id().await.unwrap(), None);
}

#[tokio::test]
async fn a_refusal_has_its_reason() {
    let failure = json!({"failure": {
        "Arn": "arn:aws:ecs:us-west-2:111122223333:task/default/1",
        "Detail": null,
        "Reason": "DEPLOYMENT_BLOCKED",
    }});
    let error = json!({"requestID": "1", "error": {
        "Arn": "x",
        "Code": "AccessDeniedException",
        "Message": "is not authorized to perform: ecs:UpdateTaskProtection",
    }});
    let on = json!({"protection": {
        "ExpirationDate": "2026-11-22T07:00:00Z",
        "ProtectionEnabled": true,
        "TaskArn": "x",
    }});
    let off = json!({"protection": {"ExpirationDate": null, "ProtectionEnabled": false}});
    let answers = vec![(200, failure), (400, error), (500, Value::Null), (200, on.clone())];
    let ecs = FakeEcs::start([answers, vec![(200, on), (200, off)]].concat()).await;
    let task = Task::at(None, Some(ecs.url()));
    let mut refusals = Vec::new();
    for _ in 0..3 {
        refusals.push(task.protect(Some(10)).await.unwrap_err().to_string());
    }
    assert!(refusals[0].contains("DEPLOYMENT_BLOCKED"), "{refusals:?}");
    assert!(refusals[1].contains("ecs:UpdateTaskProtection"), "{refusals:?}");
    assert!(refusals[2].contains("500"), "{refusals:?}");
    task.protect(Some(10)).await.unwrap();
    assert!(task.protect(None).await.is_err(), "it is still protected");
    task.protect(None).await.unwrap();
    assert_eq!(ecs.requests()[5].1, json!({"ProtectionEnabled": false}));
}
