//! What runs on the local AWS, as it was deployed; `make aws-test` starts it all.
//!
//! One binary, because its tests share one simulated Genesys Cloud, to which the deployed
//! tracker listens.

mod admission;
mod api_door;
mod audio_tracking;
mod caller;
mod calls;
mod client;
mod event_bus;
mod figures;
mod hand_over;
mod organizations;
mod organizations_api;
mod roles;
mod stream;
mod swarm;
mod transcripts;
mod users_api;
mod users_import;
mod world;
