//! A service that answers as a test tells it to: what no local AWS can be made to do.

use std::sync::{Arc, Mutex, PoisonError};

use aws_config::{Region, SdkConfig};
use aws_sdk_kinesis::config::{Credentials, SharedCredentialsProvider};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::connect::loader;

/// What the service was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The operation where the protocol names it, else method and path.
    pub(crate) operation: String,
    /// The request line and the headers.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Asked {
    /// Returns the value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// What the service answers.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// JSON of a request that was done.
    Done(String),
    /// A status and an error's code.
    Error(u16, &'static str),
    /// Nothing, ever.
    Silence,
}

/// A service on this machine, until it is dropped.
pub(crate) struct Fake {
    pub(crate) config: SdkConfig,
    pub(crate) address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    server: tokio::task::JoinHandle<()>,
}

impl Fake {
    /// Starts a service that answers each request, given how many came before it.
    pub(crate) async fn start(
        answer: impl Fn(&Asked, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("bound"));
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (log, answer) = (Arc::clone(&asked), Arc::new(answer));
        let server = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                tokio::spawn(async move { serve(socket, &log, &*answer).await });
            }
        });
        let credentials = Credentials::new("test", "test", None, None, "a fake");
        let config = loader()
            .endpoint_url(&address)
            .region(Region::from_static("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .load()
            .await;
        Self { config, address, asked, server }
    }

    /// Returns everything that was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(
    mut socket: TcpStream,
    log: &Mutex<Vec<Asked>>,
    answer: &(impl Fn(&Asked, usize) -> Answer + Sync),
) {
    let Some(asked) = read(&mut socket).await else { return };
    let answer = {
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        let before = log.len();
        log.push(asked.clone());
        answer(&asked, before)
    };
    let (status, code, body) = match answer {
        Answer::Done(body) => (200, "", body),
        Answer::Error(status, code) => {
            (status, code, format!("{{\"__type\": {code:?}, \"message\": \"no\"}}"))
        }
        Answer::Silence => return std::future::pending().await,
    };
    let error =
        if code.is_empty() { String::new() } else { format!("x-amzn-errortype: {code}\r\n") };
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/x-amz-json-1.1\r\n{error}\
         content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let _ = socket.write_all(head.as_bytes()).await;
    let _ = socket.write_all(body.as_bytes()).await;
}

async fn read(socket: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut asked = Asked { operation: String::new(), head, body: String::new() };
    let length: usize =
        asked.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    while bytes.len() < end + length {
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    asked.body = String::from_utf8_lossy(&bytes[end..]).into_owned();
    let target = asked.header("x-amz-target").and_then(|text| Some(text.rsplit_once('.')?.1));
    let line = || asked.head.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    asked.operation = target.map_or_else(line, str::to_owned);
    Some(asked)
}
