//! The traits behind which every store, stream, secret and clock stands.
//!
//! Each trait has two twins or more: one embedded, one on AWS. All of them pass the
//! conformance suite in `testkit`. Traits return futures, without `dyn`.

mod clock;
mod connection;
mod error;
mod lease;
mod observed;
mod organization;
mod part;
mod secrets;
mod store;
mod stream;
mod user;

pub use clock::{Clock, ClockSkew};
pub use connection::{ClientLine, ConnectionItem, ConnectionStore, LineError, Said};
pub use error::{SinkError, SourceError, StoreError, chain};
pub use lease::{Claim, Fence, LeaseBeat, LeaseStore, Renewal};
pub use observed::{Granted, Observed, claim};
pub use organization::{
    OrganizationStore, SettingsChange, SettingsEntry, SettingsPage, SettingsQuery,
};
pub use part::{Part, PartName, PartNameError, RecordedSession};
pub use secrets::{
    ClientSource, ConfiguredClient, KnownClients, OrganizationSecrets, SecretsError, StoredClient,
};
pub use store::{
    CallStore, Freshness, Item, Mailbox, NonceCheck, NonceStore, OwnedItem, OwnerBeat, OwnerStore,
    Revision, SecretSource, StoredKey,
};
pub use stream::{
    Checkpoints, Delivered, PutOutcome, RecordSink, RecordSource, RecordingStore, Sequence,
    StreamRecord,
};
pub use user::{
    ChangeOrigin, ChangeWay, HistoryEntry, HistoryPage, HistoryPlace, HistoryQuery, UserChange,
    UserPage, UserQuery, UserStore,
};
