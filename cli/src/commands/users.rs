//! `sidetone users`: import, list, sample. Works beside a running `sidetone run`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;

use comfy_table::{Table, presets};
use serde_json::json;
use sidetone_model::{Adaptor, AgentId, OrganizationId, User, UserStatus};
use sidetone_ports::UserStore;
use sidetone_ports_embedded::Store;
use sidetone_user_file::{FileError, SAMPLE, read, write};

use super::{data, existing_data};
use crate::args::{GlobalArgs, ImportArgs, UserListArgs, UsersCommand};
use crate::failure::{Exit, Failure};
use crate::organization::{SIMULATED_ORGANIZATION, chosen};
use crate::output::{Output, printable};
#[cfg(feature = "aws")]
use crate::stack::Stack;

/// Does what was asked with users.
pub(crate) async fn users(
    global: &GlobalArgs,
    command: &UsersCommand,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    match command {
        UsersCommand::Import(args) => import(global, args, output).await,
        UsersCommand::List(args) => list(global, args, output).await,
        UsersCommand::Sample => {
            output.line(SAMPLE.trim_end())?;
            Ok(Exit::Done)
        }
    }
}

async fn import(
    global: &GlobalArgs,
    args: &ImportArgs,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let file = if args.file == Path::new("-") {
        read(io::stdin().lock())
    } else {
        let file = File::open(&args.file).map_err(|error| {
            Failure::bad_input(format!("cannot read {}", args.file.display())).because(error)
        })?;
        read(file)
    };
    let users = file.map_err(refusal)?.users;
    if users.is_empty() {
        return Err(Failure::bad_input("the file has no users").hint(SAMPLE_HINT));
    }
    #[cfg(feature = "aws")]
    if let Some(stack) = Stack::named(global).await? {
        let organization = stack.organization(args.organization).await?;
        return import_into(stack.store(), organization, &users, output).await;
    }
    let data = data(global)?;
    let organization = named_or_simulated(chosen(args.organization, &data)?, output);
    import_into(&Store::open(&data.store())?, organization, &users, output).await
}

async fn import_into(
    store: &impl UserStore,
    organization: OrganizationId,
    users: &[User],
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let renamed = renamed(&store.users(organization).await?, users);
    store.put_users(organization, users).await?;
    if output.is_json() {
        output.json(&json!({
            "organization": organization,
            "imported": users.len(),
            "listened_to": users.iter().filter(|user| is_listened_to(user)).count(),
            "other_username": renamed,
        }))?;
        return Ok(Exit::Done);
    }
    for agent in renamed {
        output.note(format_args!(
            "{}: had another username until now; if these are two people, give one of them a \
             telephony agent id of their own",
            printable(agent.as_str()),
        ));
    }
    let listened = users.iter().filter(|user| is_listened_to(user)).count();
    output.line(format_args!(
        "imported {} of organization {organization}; {listened} of them are listened to",
        counted(users.len()),
    ))?;
    Ok(Exit::Done)
}

async fn list(
    global: &GlobalArgs,
    args: &UserListArgs,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    #[cfg(feature = "aws")]
    if let Some(stack) = Stack::named(global).await? {
        let organization = stack.organization(args.organization).await?;
        return list_from(stack.store(), organization, args, output).await;
    }
    let data = existing_data(global)?;
    let organization = named_or_simulated(chosen(args.organization, &data)?, output);
    list_from(&Store::open(&data.store())?, organization, args, output).await
}

async fn list_from(
    store: &impl UserStore,
    organization: OrganizationId,
    args: &UserListArgs,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let users = store.users(organization).await?;
    if args.csv {
        let mut csv = Vec::new();
        write(&mut csv, &users)
            .map_err(|error| Failure::fault("cannot write the users as CSV").because(error))?;
        output.line(String::from_utf8_lossy(&csv).trim_end())?;
    } else if output.is_json() {
        let users: Vec<_> = users.iter().map(user_json).collect();
        output.json(&json!({ "organization": organization, "users": users }))?;
    } else if users.is_empty() {
        output.note(format_args!("organization {organization} has no users; {SAMPLE_HINT}"));
    } else {
        output.line(table(&users))?;
        output.note(format_args!("{} of organization {organization}", counted(users.len())));
    }
    Ok(Exit::Done)
}

const SAMPLE_HINT: &str = "`sidetone users sample` prints a file to begin with";

fn named_or_simulated(
    organization: Option<OrganizationId>,
    output: &mut Output<'_>,
) -> OrganizationId {
    organization.unwrap_or_else(|| {
        output.note("no organization has a key here and none was named: taking the simulated one");
        SIMULATED_ORGANIZATION
    })
}

fn refusal(error: FileError) -> Failure {
    match error {
        FileError::Read(cause) => Failure::fault("the file cannot be read").because(cause),
        error @ (FileError::TooLarge { .. } | FileError::Heading(_)) => {
            Failure::bad_input(error.to_string()).hint(SAMPLE_HINT)
        }
        FileError::Rows { errors, count } => {
            let more = count - errors.len();
            let what = FileError::Rows { errors: Vec::new(), count }.to_string();
            let what = if more > 0 { format!("{what}; {more} more are not shown") } else { what };
            Failure::bad_input(what)
                .rows(errors)
                .hint("mend these rows and import the whole file again")
        }
    }
}

/// Returns whose username changes: the same person moved, or two people share an id.
fn renamed<'u>(stored: &[User], users: &'u [User]) -> Vec<&'u AgentId> {
    let known: BTreeMap<&AgentId, &User> = stored.iter().map(|user| (&user.agent, user)).collect();
    let other = |user: &&User| {
        known
            .get(&user.agent)
            .is_some_and(|old| !old.username.reveal().eq_ignore_ascii_case(user.username.reveal()))
    };
    users.iter().filter(other).map(|user| &user.agent).collect()
}

fn is_listened_to(user: &User) -> bool {
    user.adaptor == Adaptor::GenesysCloud && user.status == UserStatus::Active
}

fn counted(users: usize) -> String {
    if users == 1 { "1 user".to_owned() } else { format!("{users} users") }
}

fn user_json(user: &User) -> serde_json::Value {
    json!({
        "agent": user.agent,
        "name": user.name.reveal(),
        "username": user.username.reveal(),
        "adaptor": user.adaptor,
        "team": user.team,
        "supervisor": user.supervisor,
        "site": user.site,
        "status": user.status,
    })
}

fn table(users: &[User]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).force_no_tty();
    table.set_header([
        "AGENT",
        "NAME",
        "USERNAME",
        "ADAPTOR",
        "TEAM",
        "SUPERVISOR",
        "SITE",
        "STATUS",
    ]);
    for user in users {
        let fields = [
            user.agent.as_str(),
            user.name.reveal(),
            user.username.reveal(),
            user.adaptor.as_str(),
            &user.team,
            &user.supervisor,
            &user.site,
            user.status.as_str(),
        ];
        table.add_row(fields.map(printable));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}
