//! The `sidetone` command.
//!
//! `args` says what can be asked, `commands` do it, `output` is the only place that prints.

mod announce;
mod args;
mod commands;
mod entry;
mod failure;
mod judge;
mod organization;
mod output;
mod platforms;
mod retention;
mod simulated;
#[cfg(feature = "aws")]
mod stack;
mod suggestion;
mod system;
mod table;
mod users_api;

pub use announce::{Announced, Finished};
#[cfg(feature = "aws")]
pub use args::DoorAddress;
pub use args::{
    Args, CallsArgs, ClientArg, Command, ConversationStart, CoverageArgs, ExportArgs, FieldArgs,
    FindArgs, GlobalArgs, HistoryArgs, ImportArgs, ListenArg, ListenArgs, LogStyle, MoveArgs,
    NewSecretArgs, NewUserArgs, OnHoldArg, OrgAddArgs, OrgArgs, OrgCommand, OrgHistoryArgs,
    OrgRemoveArgs, PagerArgs, Plant, RemoveArgs, RunArgs, ScenarioChoice, SecretsCommand,
    SetUserArgs, SimulateArgs, Since, SyncArgs, TailArgs, TailFrom, UndoArgs, UserListArgs,
    UserScope, UsersCommand, WhyArgs,
};
pub use commands::simulate::{
    Embedded, EmbeddedReport, Lag, Story, TargetCall, TargetReport, TargetRun,
};
pub use entry::{main, run_with};
pub use failure::{Exit, Failure};
pub use judge::{
    Case, Cause, Heard, HeardFrame, PlantedSink, RecordingError, SessionRecording, Verdict, Wave,
    judge,
};
pub use organization::SIMULATED_ORGANIZATION;
pub use output::{Looks, Output};
pub use simulated::Simulated;
pub use system::{Settings, System, SystemError};
pub use table::{LogLines, Mode, Recorded, Screen, Started};
