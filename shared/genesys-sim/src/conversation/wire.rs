//! The body of a conversation event, spelled as Genesys spells it.
//!
//! Absent fields are left out; lists that may be empty are sent empty.
//! Source: genesys-cloud.md, section 3.9 A and its worked sequence.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use sidetone_model::{ConversationId, Timestamp, UserId};
use uuid::Uuid;

/// A moment, written as RFC 3339 with milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(pub(crate) Timestamp);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// The state of one voice leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CallState {
    Offering,
    Alerting,
    Contacting,
    Dialing,
    Connected,
    Disconnected,
    Terminated,
}

impl CallState {
    /// Returns whether the leg is over.
    pub(crate) const fn is_over(self) -> bool {
        match self {
            Self::Disconnected | Self::Terminated => true,
            Self::Offering
            | Self::Alerting
            | Self::Contacting
            | Self::Dialing
            | Self::Connected => false,
        }
    }
}

/// Which way a leg was set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Way {
    Inbound,
    Outbound,
}

/// Why a leg ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DisconnectType {
    Client,
    Endpoint,
    Peer,
    System,
    Transfer,
    #[serde(rename = "transfer.consult")]
    ConsultTransfer,
}

/// What a participant is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Purpose {
    Customer,
    External,
    Ivr,
    Acd,
    Agent,
    User,
    Voicemail,
    #[serde(rename = "dialer.system")]
    Dialer,
}

/// The whole event body.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Body<'a> {
    pub(crate) id: ConversationId,
    pub(crate) max_participants: u32,
    pub(crate) participants: Vec<&'a Participant>,
    pub(crate) recent_transfers: &'a [Transfer],
    pub(crate) recording_state: &'static str,
    pub(crate) secure_pause: bool,
    pub(crate) divisions: [(); 0],
}

/// One party entry.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Participant {
    pub(crate) id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) connected_time: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) end_time: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user_id: Option<UserId>,
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) queue_id: Option<Uuid>,
    pub(crate) purpose: Purpose,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) consult_participant_id: Option<Uuid>,
    pub(crate) wrapup_required: bool,
    pub(crate) wrapup_expected: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) wrapup_prompt: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) wrapup_timeout_ms: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) wrapup: Option<Wrapup>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start_acw_time: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) end_acw_time: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) alerting_timeout_ms: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) conversation_routing_data: Option<RoutingData>,
    pub(crate) media_roles: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) monitored_participant_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) coached_participant_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) barged_participant_id: Option<Uuid>,
    pub(crate) attributes: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) callbacks: Option<[Callback; 1]>,
    #[serde(serialize_with = "placed")]
    pub(crate) calls: [Call; 1],
}

/// A request to be called back, as one party has it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Callback {
    pub(crate) id: Uuid,
    pub(crate) state: &'static str,
}

/// Writes the calls that exist: a callback's comes later, or never.
fn placed<S: Serializer>(calls: &[Call; 1], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(calls.iter().filter(|call| call.is_placed))
}

/// How the queue chose.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RoutingData {
    pub(crate) queue: QueueReference,
    pub(crate) priority: u32,
    pub(crate) skills: [(); 0],
}

/// A queue as routing data names it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct QueueReference {
    pub(crate) id: Uuid,
}

/// One voice leg.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Call {
    #[serde(skip)]
    pub(crate) is_placed: bool,
    pub(crate) id: Uuid,
    pub(crate) state: CallState,
    pub(crate) initial_state: CallState,
    pub(crate) recording: bool,
    pub(crate) recording_state: &'static str,
    pub(crate) muted: bool,
    pub(crate) confined: bool,
    pub(crate) held: bool,
    pub(crate) secure_pause: bool,
    pub(crate) direction: Way,
    pub(crate) provider: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) peer_id: Option<Uuid>,
    #[serde(rename = "self")]
    pub(crate) own: Address,
    pub(crate) other: Address,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start_hold_time: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) connected_time: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) disconnected_time: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) disconnect_type: Option<DisconnectType>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) disconnect_reasons: Vec<DisconnectReason>,
    pub(crate) after_call_work: AfterCallWork,
    pub(crate) after_call_work_required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) queue_media_settings: Option<QueueMediaSettings>,
}

/// One end of a leg as the network names it.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Address {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name_raw: Option<String>,
    pub(crate) address_normalized: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address_raw: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address_displayable: Option<String>,
}

/// What the network said when a leg ended.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct DisconnectReason {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) code: u16,
    pub(crate) phrase: &'static str,
}

/// After-call work of one leg; empty where there is none.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AfterCallWork {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start_time: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) end_time: Option<Moment>,
}

/// How the queue rings its agents.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QueueMediaSettings {
    pub(crate) alerting_timeout_seconds: u32,
    pub(crate) enable_auto_answer: bool,
}

/// What the agent noted at the end.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Wrapup {
    pub(crate) code: String,
    pub(crate) duration_seconds: u64,
    pub(crate) end_time: Moment,
}

/// One transfer command; the delivery from a queue to an agent is one, too.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Transfer {
    pub(crate) id: Uuid,
    pub(crate) state: &'static str,
    pub(crate) date_issued: Moment,
    pub(crate) initiator: Initiator,
    pub(crate) modified_by: Initiator,
    pub(crate) destination: Destination,
    pub(crate) transfer_type: &'static str,
}

/// Who asked for a transfer; empty for the queue.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Initiator {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user_id: Option<UserId>,
}

/// Where a transfer goes.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Destination {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user_id: Option<UserId>,
    pub(crate) address: String,
}
