//! Enumerations of Genesys, read whatever the letter case; unknown values have a place.
//!
//! Source: docs/wire/notification.md, "Values".

use std::convert::Infallible;
use std::str::FromStr;

use sidetone_model::EndReason;

/// The state of one communication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CallState {
    /// Offered to somebody, who is not yet alerted.
    Offering,
    /// Rings.
    Alerting,
    /// The platform rings the caller's own phone.
    Contacting,
    /// The far end is being called.
    Dialing,
    /// Talking, or held.
    Connected,
    /// Parked: connected with nobody near.
    Parked,
    /// Over; `terminated` follows.
    Disconnected,
    /// Over.
    Terminated,
    /// Anything else: says nothing about the call.
    #[default]
    Other,
}

impl FromStr for CallState {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.to_ascii_lowercase().as_str() {
            "offering" => Self::Offering,
            "alerting" => Self::Alerting,
            "contacting" => Self::Contacting,
            "dialing" => Self::Dialing,
            "connected" => Self::Connected,
            "parked" => Self::Parked,
            "disconnected" => Self::Disconnected,
            "terminated" => Self::Terminated,
            _ => Self::Other,
        })
    }
}

/// What a participant is in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Purpose {
    /// The outside party of a contact-center call.
    Customer,
    /// An outside party otherwise.
    External,
    /// A Genesys user who takes contact-center calls.
    Agent,
    /// A Genesys user otherwise.
    User,
    /// A voicemail box; carries the user id of its owner.
    Voicemail,
    /// A queue, a flow, a dialer, or something unheard of.
    #[default]
    Other,
}

impl FromStr for Purpose {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.to_ascii_lowercase().as_str() {
            "customer" => Self::Customer,
            "external" => Self::External,
            "agent" => Self::Agent,
            "user" => Self::User,
            "voicemail" => Self::Voicemail,
            _ => Self::Other,
        })
    }
}

/// How far an agent's work after a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WorkState {
    /// It goes on.
    Pending,
    /// It is done.
    Complete,
    /// There was none.
    Skipped,
    /// Anything else: says nothing.
    #[default]
    Other,
}

impl FromStr for WorkState {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.to_ascii_lowercase().as_str() {
            "pending" => Self::Pending,
            "complete" => Self::Complete,
            "skipped" => Self::Skipped,
            _ => Self::Other,
        })
    }
}

/// Reads a disconnect type in the spelling of any Genesys surface: `transfer.consult` of
/// events, `CONSULT_TRANSFER` of detail events and `consultTransfer` of analytics are one.
pub fn end_reason_of(text: &str) -> EndReason {
    let plain: String = text
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_lowercase())
        .collect();
    match plain.as_str() {
        "client" => EndReason::Client,
        "endpoint" => EndReason::Endpoint,
        "peer" => EndReason::Peer,
        "system" => EndReason::System,
        "timeout" => EndReason::Timeout,
        "transfer" => EndReason::Transfer,
        "transferconsult" | "consulttransfer" => EndReason::ConsultTransfer,
        "transferconference" | "conferencetransfer" => EndReason::ConferenceTransfer,
        "transferforward" | "forwardtransfer" => EndReason::ForwardTransfer,
        "transfernoanswer" | "noanswertransfer" => EndReason::NoAnswerTransfer,
        "transfernotavailable" | "notavailabletransfer" => EndReason::NotAvailableTransfer,
        "transferdnd"
        | "transferdonotdisturb"
        | "dndtransfer"
        | "endpointdnd"
        | "endpointdonotdisturb"
        | "dndendpoint" => EndReason::DoNotDisturb,
        "transportfailure" => EndReason::TransportFailure,
        "error" => EndReason::Error,
        _ => EndReason::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s56_every_spelling_of_a_disconnect_type_is_one_reason() {
        for (spellings, reason) in [
            (["client", "CLIENT", "Client"], EndReason::Client),
            (
                ["transfer.consult", "CONSULT_TRANSFER", "consultTransfer"],
                EndReason::ConsultTransfer,
            ),
            (["transfer.dnd", "transfer.donotdisturb", "DND_TRANSFER"], EndReason::DoNotDisturb),
            (["endpoint.dnd", "endpoint.donotdisturb", "dndEndpoint"], EndReason::DoNotDisturb),
            (
                ["transfer.noanswer", "NO_ANSWER_TRANSFER", "noAnswerTransfer"],
                EndReason::NoAnswerTransfer,
            ),
            (
                ["transport.failure", "TRANSPORT_FAILURE", "transportFailure"],
                EndReason::TransportFailure,
            ),
            (["spam", "UNCALLABLE", "never heard of"], EndReason::Other),
        ] {
            for spelling in spellings {
                assert_eq!(end_reason_of(spelling), reason, "{spelling}");
            }
        }
    }

    #[test]
    fn s55_unknown_values_are_accepted() {
        assert_eq!("transmogrifying".parse(), Ok(CallState::Other));
        assert_eq!("CONNECTED".parse(), Ok(CallState::Connected));
        assert_eq!("botflow".parse(), Ok(Purpose::Other));
        assert_eq!("Agent".parse(), Ok(Purpose::Agent));
        assert_eq!("notApplicable".parse(), Ok(WorkState::Other));
        assert_eq!("Skipped".parse(), Ok(WorkState::Skipped));
    }
}
