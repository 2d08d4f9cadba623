//! The tracker: who is on which call, from Genesys' Notification Service into the store.
//!
//! Refuses: audio, matching, anything that the pure `notification-proto` can decide.
//! Source: docs/wire/notification.md.

mod attendance;
mod backlog;
mod bus;
mod channel;
mod clients;
mod coverage;
mod lease;
mod legs;
mod people;
mod platform;
mod repair;
mod report;
mod roster;
mod secret;
mod status;
mod tenants;
mod tracker;

pub use attendance::{AttendanceError, Attendant, Provisioned, attendance};
pub use bus::{BusError, PartnerEvents, Taken, TenantEventError, TenantEvents};
pub use clients::OAuthClient;
pub use coverage::{
    Coverage, CoverageError, CoverageFacts, QueueCoverage, Uncovered, UncoveredReason, cover,
    coverage,
};
pub use lease::{Departure, Holding, Mandate, Stay, Tenure, Terms, lease_name};
pub use legs::{LagFigures, Lags, PublishError};
pub use people::{PeopleError, PeopleScope, Step, Watch};
pub use platform::{
    GenesysQueue, Hosts, HostsError, NeededTopic, NotificationChannel, PlaceError, PlatformClient,
    PlatformError, QueueMember, RejectedTopic, TopicPreflight, Transport, follow_genesys_time,
};
pub use roster::RosterError;
pub use secret::Secret;
pub use status::TrackerStatus;
pub use tenants::{
    StoredTenants, Tenant, TenantFailure, TenantName, TenantStatuses, TenantStay, TenantTurns,
    Tenants, TenantsOutcome, problem_of,
};
pub use tracker::{Refused, Tracker, TrackerConfig, TrackerError};

#[cfg(test)]
mod tests;
