//! An AudioHook client made by hand, for what the simulated one never does.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderName, HeaderValue, Uri};
use serde_json::{Value, json};
use sidetone_audiohook_proto::{KeyId, Secret, SigningRequest, sign};
use sidetone_model::{ConversationId, OrganizationId, SessionId, Timestamp};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use uuid::Uuid;

use crate::world::World;

/// How long a door may take to say something.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Who knocks, and with what.
#[derive(Debug, Clone)]
pub(crate) struct Knock {
    pub(crate) url: String,
    pub(crate) organization: String,
    pub(crate) key_id: String,
    pub(crate) secret: String,
    pub(crate) nonce: String,
    pub(crate) session: SessionId,
    pub(crate) now: Timestamp,
}

impl Knock {
    /// Knocks as Genesys does.
    pub(crate) fn at(world: &World, url: &str) -> Self {
        let genesys = &world.at.genesys;
        Self {
            url: url.to_owned(),
            organization: genesys.organization.to_string(),
            key_id: genesys.key_id.clone(),
            secret: genesys.key_secret.clone(),
            nonce: BASE64_STANDARD.encode(Uuid::new_v4().as_bytes().repeat(2)),
            session: SessionId::new(Uuid::new_v4()),
            now: world.clock.now(),
        }
    }

    /// Connects; the error is the status of the refusal.
    pub(crate) async fn connect(&self) -> Result<Client, u16> {
        let uri: Uri = self.url.parse().expect("a URL");
        let target = uri.path_and_query().map_or("/", |path| path.as_str());
        let authority = uri.authority().expect("an authority").as_str();
        let session = self.session.to_string();
        let correlation = Uuid::new_v4().to_string();
        let signing = SigningRequest {
            target,
            authority,
            organization_id: &self.organization,
            session_id: &session,
            correlation_id: &correlation,
            key_id: &KeyId::new(self.key_id.as_str()),
            nonce: &self.nonce,
            created: self.now,
            lifetime: Duration::from_secs(30),
        };
        let secret = Secret::from_base64(&self.secret).expect("base64");
        let signed = sign(&signing, &secret).expect("signable");
        let mut request = self.url.as_str().into_client_request().expect("a request");
        for (name, value) in [
            ("user-agent", "GenesysCloud-AudioHook-Client"),
            ("audiohook-organization-id", self.organization.as_str()),
            ("audiohook-session-id", &session),
            ("audiohook-correlation-id", &correlation),
            ("x-api-key", &self.key_id),
            ("signature-input", &signed.signature_input),
            ("signature", &signed.signature),
        ] {
            let value = HeaderValue::from_str(value).expect("a header's value");
            request.headers_mut().insert(HeaderName::from_static(name), value);
        }
        let connected = tokio::time::timeout(ANSWER_LIMIT, connect_async(request)).await;
        match connected.expect("the door answers") {
            Ok((socket, _)) => Ok(Client { socket, session: self.session, seq: 0, serverseq: 0 }),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("the door is broken: {error}"),
        }
    }
}

impl Knock {
    /// Says whether the door lets in, and opens a session at once.
    pub(crate) async fn is_opened(&self, world: &World) -> bool {
        let Ok(mut client) = self.connect().await else { return false };
        client.say("open", open_parameters(world, ConversationId::new(Uuid::new_v4()))).await;
        let heard = client.next().await;
        let opened = matches!(heard, Heard::Said(said) if said["type"] == "opened");
        if opened {
            client.close().await;
        }
        opened
    }
}

/// What a door said, or did.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Heard {
    /// It said this.
    Said(Value),
    /// It closed, perhaps with a code.
    Closed(Option<u16>),
}

/// A connected client.
pub(crate) struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub(crate) session: SessionId,
    pub(crate) seq: u64,
    pub(crate) serverseq: u64,
}

impl Client {
    /// Writes the next message.
    pub(crate) fn message(&mut self, kind: &str, parameters: Value) -> Value {
        self.seq += 1;
        json!({
            "version": "2", "id": self.session.to_string(), "type": kind, "seq": self.seq,
            "serverseq": self.serverseq, "position": "PT0S", "parameters": parameters,
        })
    }

    /// Says something.
    pub(crate) async fn say(&mut self, kind: &str, parameters: Value) {
        let message = self.message(kind, parameters);
        self.socket.send(Message::text(message.to_string())).await.expect("the door listens");
    }

    /// Says something as it stands, whatever it is.
    pub(crate) async fn send_text(&mut self, text: String) {
        self.socket.send(Message::text(text)).await.expect("the door listens");
    }

    /// Sends something that is no text.
    pub(crate) async fn send_binary(&mut self, bytes: Vec<u8>) {
        self.socket.send(Message::binary(bytes)).await.expect("the door is there");
    }

    /// Opens a session of a conversation.
    pub(crate) async fn open(&mut self, world: &World, conversation: ConversationId) -> Value {
        self.say("open", open_parameters(world, conversation)).await;
        self.hear("opened").await
    }

    /// Returns what the door says or does next.
    pub(crate) async fn next(&mut self) -> Heard {
        self.next_within(ANSWER_LIMIT).await
    }

    /// Returns what the door says or does next, and gives it some time.
    pub(crate) async fn next_within(&mut self, limit: Duration) -> Heard {
        loop {
            let next = tokio::time::timeout(limit, self.socket.next()).await;
            match next.expect("the door says something") {
                Some(Ok(Message::Text(text))) => {
                    let said: Value = serde_json::from_str(&text).expect("JSON");
                    // One that is no AudioHook message has no number; tests judge that.
                    if let Some(seq) = said["seq"].as_u64() {
                        assert_eq!(seq, self.serverseq + 1, "{said}");
                        self.serverseq = seq;
                    }
                    return Heard::Said(said);
                }
                Some(Ok(Message::Close(frame))) => {
                    return Heard::Closed(frame.map(|frame| frame.code.into()));
                }
                Some(Ok(Message::Binary(_))) => panic!("a Monitor session gets no audio"),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Err(_)) | None => return Heard::Closed(None),
            }
        }
    }

    /// Waits for a message of a type, which has to be the next.
    pub(crate) async fn hear(&mut self, kind: &str) -> Value {
        match self.next().await {
            Heard::Said(said) if said["type"] == kind => said,
            other @ (Heard::Said(_) | Heard::Closed(_)) => {
                panic!("waited for {kind}, and there was {other:?}")
            }
        }
    }

    /// Ends the session in order.
    pub(crate) async fn close(mut self) {
        self.say("close", json!({ "reason": "end" })).await;
        self.hear("closed").await;
        self.hang_up().await;
    }

    /// Leaves, without a word.
    pub(crate) async fn hang_up(mut self) {
        let _ = self.socket.close(None).await;
    }
}

/// Returns what `open` says of a call.
pub(crate) fn open_parameters(world: &World, conversation: ConversationId) -> Value {
    open_parameters_of(world.at.genesys.organization, conversation)
}

/// Returns what `open` says of an organization's call.
pub(crate) fn open_parameters_of(
    organization: OrganizationId,
    conversation: ConversationId,
) -> Value {
    json!({
        "organizationId": organization.to_string(),
        "conversationId": conversation.to_string(),
        "participant": {
            "id": Uuid::new_v4().to_string(),
            "ani": "+15555550100", "aniName": "R. Example", "dnis": "+15555550199",
        },
        "media": [{
            "type": "audio", "format": "PCMU",
            "channels": ["external", "internal"], "rate": 8000,
        }],
        "language": "en-US",
    })
}
