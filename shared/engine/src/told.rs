//! Which call events the stream was told, so that it is told each once, and again if it moved.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sidetone_model::{AgentId, CallEvent, CallEventKind, CommunicationId, Leg, Position};

use crate::delivery::CallEventDelivery;
use crate::placement::Placement;

/// How far an event's place may be off before it is told again.
///
/// Units: samples; 20 ms.
const EVENT_SHIFT_MAX: u64 = 160;

/// The events that were told, as they were told last.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct ToldEvents(BTreeMap<(CommunicationId, CallEventKind, u32), Told>);

#[derive(Debug, Serialize, Deserialize)]
struct Told {
    event: CallEvent,
    position: Position,
    agent: Option<AgentId>,
}

impl ToldEvents {
    /// Returns what there is to tell of these legs, and notes it as told.
    ///
    /// The work after a call is not told: it outlives the session, and somebody else tells it.
    pub(crate) fn news(&mut self, legs: &[Leg], placement: Placement) -> Vec<CallEventDelivery> {
        let mut news = Vec::new();
        for leg in legs {
            for event in leg.events().into_iter().filter(|event| !event.kind.is_wrap_up()) {
                let position = placement.of(event);
                let name = (leg.communication.clone(), event.kind, event.ordinal);
                if self.0.get(&name).is_none_or(|told| told.differs(leg, event, position)) {
                    let agent = leg.attribution.agent().cloned();
                    self.0.insert(name, Told { event, position, agent });
                    news.push(CallEventDelivery { event, position, leg: leg.clone() });
                }
            }
        }
        news
    }
}

impl Told {
    fn differs(&self, leg: &Leg, event: CallEvent, position: Position) -> bool {
        self.event != event
            || self.agent.as_ref() != leg.attribution.agent()
            || self.position.samples().abs_diff(position.samples()) > EVENT_SHIFT_MAX
    }
}
