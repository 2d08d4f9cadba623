//! `sidetone users`: who is listened to. Works beside a running `sidetone run`.

mod change;
mod history;
mod place;
mod show;
mod sync;
mod tell;

use sidetone_user_file::SAMPLE;

use crate::args::{GlobalArgs, UsersCommand};
use crate::failure::{Exit, Failure};
use crate::output::Output;

const SAMPLE_HINT: &str = "`sidetone users sample` prints a file to begin with";

/// Does what was asked with users.
pub(crate) async fn users(
    global: &GlobalArgs,
    command: &UsersCommand,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    match command {
        UsersCommand::Import(args) => change::import(global, args, output).await,
        UsersCommand::Sync(args) => sync::sync(global, args, output).await,
        UsersCommand::Export(args) => show::export(global, args, output).await,
        UsersCommand::List(args) => show::list(global, args, output).await,
        UsersCommand::Find(args) => show::find(global, args, output).await,
        UsersCommand::Add(args) => change::add(global, args, output).await,
        UsersCommand::Set(args) => change::set(global, args, output).await,
        UsersCommand::Move(args) => change::move_to(global, args, output).await,
        UsersCommand::Remove(args) => change::remove(global, args, output).await,
        UsersCommand::Undo(args) => change::undo(global, args, output).await,
        UsersCommand::History(args) => history::history(global, args, output).await,
        UsersCommand::Sample => {
            output.line(SAMPLE.trim_end())?;
            Ok(Exit::Done)
        }
    }
}

fn counted(users: usize) -> String {
    if users == 1 { "1 user".to_owned() } else { format!("{users} users") }
}
