//! `sidetone org`: the organizations that are served here, each with its own settings and secrets.

mod history;

use std::io::{self, Read};
use std::path::Path;

use comfy_table::{Table, presets};
use serde::Serialize;
use serde_json::json;
use sidetone_delivery_wire::listen_name;
use sidetone_model::{OnHold, PlatformPlace};
use sidetone_organizations::{
    Change, NewClient, NewKey, Organizations, OrganizationsError, Standing,
};
use sidetone_ports::{
    ChangeWay, OrganizationSecrets, OrganizationStore, SecretsError, SettingsQuery, UserStore,
};
use sidetone_ports_embedded::{DataDir, SecretFiles, Store};

use super::{data, existing_data, origin};
use crate::args::{
    ClientArg, GlobalArgs, OrgAddArgs, OrgArgs, OrgCommand, OrgHistoryArgs, OrgRemoveArgs,
};
use crate::failure::{Exit, Failure};
use crate::output::{Output, printable};

/// The largest file that is read for a secret.
const SECRET_BYTES_MAX: u64 = 4 * 1024;

/// Does what was asked with organizations.
pub(crate) async fn org(
    global: &GlobalArgs,
    command: &OrgCommand,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    #[cfg(feature = "aws")]
    if let Some(stack) = crate::stack::Stack::named(global).await? {
        let secrets = stack.secrets()?;
        let house = House::new(global.clone(), stack.store().clone(), secrets);
        return house.work(command, output).await;
    }
    let data = match command {
        OrgCommand::Add(_) => data(global)?,
        OrgCommand::List | OrgCommand::Show(_) | OrgCommand::History(_) | OrgCommand::Remove(_) => {
            existing_data(global)?
        }
    };
    House::of(global.clone(), &data)?.work(command, output).await
}

/// Where settings and secrets lie.
struct House<S, X> {
    global: GlobalArgs,
    store: S,
    organizations: Organizations<S, X>,
}

/// An organization with how many users it has.
struct Shown {
    standing: Standing,
    users: usize,
}

impl House<Store, SecretFiles> {
    fn of(global: GlobalArgs, data: &DataDir) -> Result<Self, Failure> {
        Ok(Self::new(global, Store::open(&data.store())?, SecretFiles::open(data)?))
    }
}

impl<S: OrganizationStore + UserStore, X: OrganizationSecrets> House<S, X> {
    fn new(global: GlobalArgs, store: S, secrets: X) -> Self {
        Self { global, organizations: Organizations::new(store.clone(), secrets), store }
    }

    async fn work(&self, command: &OrgCommand, output: &mut Output<'_>) -> Result<Exit, Failure> {
        match command {
            OrgCommand::Add(args) => self.add(args, output).await,
            OrgCommand::List => self.list(output).await,
            OrgCommand::Show(args) => self.show(args, output).await,
            OrgCommand::History(args) => self.history(args, output).await,
            OrgCommand::Remove(args) => self.remove(args, output).await,
        }
    }

    async fn shown(&self, standing: Standing) -> Result<Shown, Failure> {
        let users = self.store.users(standing.settings.id).await?.len();
        Ok(Shown { standing, users })
    }

    async fn add(&self, args: &OrgAddArgs, output: &mut Output<'_>) -> Result<Exit, Failure> {
        let standing = self
            .organizations
            .put(args.organization, &change(args)?, &origin(ChangeWay::Cli))
            .await?;
        let shown = self.shown(standing).await?;
        if output.is_json() {
            output.json(&value_of(&shown))?;
            return Ok(Exit::Done);
        }
        print(&shown, output)?;
        let id = args.organization;
        if shown.standing.with_secret.is_empty() {
            let id = id.to_string();
            let add = self.global.command(&["org", "add", &id, "--client", "ID=FILE"], None);
            output.note(format_args!(
                "It has no OAuth client yet, so its calls are not followed: `{add}` gives it one."
            ));
        }
        if shown.standing.keys.is_empty() {
            let new = self.global.command(&["secrets", "new"], Some(id));
            output.note(format_args!("It has no AudioHook key yet: `{new}` makes one."));
        }
        Ok(Exit::Done)
    }

    async fn list(&self, output: &mut Output<'_>) -> Result<Exit, Failure> {
        let mut all = Vec::new();
        for standing in self.organizations.list().await? {
            all.push(self.shown(standing).await?);
        }
        if output.is_json() {
            let all: Vec<Value<'_>> = all.iter().map(value_of).collect();
            output.json(&json!({ "organizations": all }))?;
        } else if all.is_empty() {
            output.note("no organization is set up here; `sidetone org add` adds one");
        } else {
            output.line(table(&all))?;
        }
        Ok(Exit::Done)
    }

    async fn show(&self, args: &OrgArgs, output: &mut Output<'_>) -> Result<Exit, Failure> {
        let standing = self.organizations.show(args.organization).await?;
        let shown = self.shown(standing).await?;
        if output.is_json() {
            output.json(&value_of(&shown))?
        } else {
            print(&shown, output)?
        }
        Ok(Exit::Done)
    }

    async fn history(
        &self,
        args: &OrgHistoryArgs,
        output: &mut Output<'_>,
    ) -> Result<Exit, Failure> {
        let query = SettingsQuery { before: args.before, limit: usize::from(args.limit.get()) };
        let page = self.organizations.history(args.organization, &query).await?;
        history::tell(&self.global, args, page, output)?;
        Ok(Exit::Done)
    }

    async fn remove(&self, args: &OrgRemoveArgs, output: &mut Output<'_>) -> Result<Exit, Failure> {
        let id = args.organization;
        let Shown { standing, users } = self.shown(self.organizations.show(id).await?).await?;
        let (keys, clients) = (standing.keys.len(), standing.settings.client_ids.len());
        let what = format!(
            "organization {id} with its settings, {clients} OAuth clients and {keys} AudioHook \
             keys; calls of its {users} users are refused from then on"
        );
        if args.dry_run {
            if output.is_json() {
                let told = json!({ "organization": id, "dry_run": true, "keys": keys, "clients": clients, "users": users });
                output.json(&told)?;
            } else {
                output.line(format_args!("would remove {what}"))?;
                output.note("dry run: nothing was changed");
            }
            return Ok(Exit::Done);
        }
        if !args.yes {
            let question = format!("This removes {what}. Type the organization's id to go on");
            match output.confirms(question, &id.to_string()) {
                Some(true) => {}
                Some(false) => {
                    return Err(Failure::bad_input("not confirmed; nothing was changed"));
                }
                None => {
                    let refused = format!("this would remove {what}; nothing was changed");
                    return Err(Failure::bad_input(refused)
                        .hint("add --yes if that is meant; --dry-run only shows it"));
                }
            }
        }
        let removed = self.organizations.remove(id, &origin(ChangeWay::Cli)).await?;
        let (keys, clients) = (removed.keys, removed.clients);
        if output.is_json() {
            output.json(&json!({ "organization": id, "keys": keys, "clients": clients }))?;
        } else {
            output.line(format_args!(
                "organization {id} is no longer served; {keys} of its keys are no longer good for it"
            ))?;
        }
        Ok(Exit::Done)
    }
}

/// Returns what was said on the command line, with the secrets that it names.
fn change(args: &OrgAddArgs) -> Result<Change, Failure> {
    let place = match (&args.region, &args.login_url, &args.api_url) {
        (Some(region), _, _) => Some(PlatformPlace::Region(region.clone())),
        (None, Some(login), Some(api)) => {
            Some(PlatformPlace::Hosts { login: login.clone(), api: api.clone() })
        }
        (None, _, _) => None,
    };
    let clients = args.clients.iter().map(|client| &client.secret_file);
    let files = clients.chain(&args.key_secret_file);
    if files.filter(|file| is_input(file)).count() > 1 {
        return Err(Failure::bad_input(
            "standard input holds one secret; name files for the others",
        ));
    }
    let client = |one: &ClientArg| {
        Ok::<_, Failure>(NewClient { id: one.client_id.clone(), secret: secret(&one.secret_file)? })
    };
    let clients = args.clients.iter().map(client).collect::<Result<Vec<_>, _>>()?;
    let key = match (&args.key_id, &args.key_secret_file) {
        (Some(id), Some(file)) => Some(NewKey { id: id.clone(), secret: secret(file)? }),
        (_, _) => None,
    };
    Ok(Change {
        place,
        clients: (!clients.is_empty()).then_some(clients),
        key,
        listen: args.listen.map(Into::into),
        on_hold: args.on_hold.map(Into::into),
        queues: (!args.queues.is_empty()).then(|| args.queues.clone()),
        retention_days: args.retention_days,
    })
}

fn is_input(file: &Path) -> bool {
    file == Path::new("-")
}

/// Reads a secret without the line's end behind it.
fn secret(file: &Path) -> Result<String, Failure> {
    let name =
        if is_input(file) { "standard input".to_owned() } else { file.display().to_string() };
    let mut text = String::new();
    let read = if is_input(file) {
        io::stdin().lock().take(SECRET_BYTES_MAX + 1).read_to_string(&mut text)
    } else {
        let opened = std::fs::File::open(file);
        opened.and_then(|file| file.take(SECRET_BYTES_MAX + 1).read_to_string(&mut text))
    };
    let bytes = read.map_err(|error| {
        Failure::bad_input(format!("the secret in {name} cannot be read")).because(error)
    })?;
    let text = text.trim_end_matches(['\r', '\n']);
    let too_long = bytes as u64 > SECRET_BYTES_MAX;
    if too_long || text.is_empty() || text.chars().any(char::is_control) {
        return Err(Failure::bad_input(format!("{name} does not hold one secret alone")));
    }
    Ok(text.to_owned())
}

fn table(all: &[Shown]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).force_no_tty();
    table.set_header(["ORGANIZATION", "PLATFORM", "CLIENTS", "KEYS", "LISTEN", "HOLD", "USERS"]);
    for Shown { standing, users } in all {
        let settings = &standing.settings;
        table.add_row([
            settings.id.to_string(),
            printable(standing.platform()).into_owned(),
            format!("{} of {}", standing.with_secret.len(), settings.client_ids.len()),
            standing.keys.len().to_string(),
            listen_name(settings.listen).to_owned(),
            on_hold_name(settings.on_hold).to_owned(),
            users.to_string(),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

/// An organization as it is shown, with its users.
#[derive(Serialize)]
struct Value<'a> {
    #[serde(flatten)]
    standing: &'a Standing,
    users: usize,
}

fn value_of(shown: &Shown) -> Value<'_> {
    Value { standing: &shown.standing, users: shown.users }
}

fn print(shown: &Shown, output: &mut Output<'_>) -> Result<(), Failure> {
    let Shown { standing, users } = shown;
    let settings = &standing.settings;
    output.line(format_args!("organization  {}", settings.id))?;
    output.line(format_args!("platform      {}", printable(standing.platform())))?;
    for id in &settings.client_ids {
        let secret =
            if standing.with_secret.contains(id) { "" } else { " (its secret is missing)" };
        output.line(format_args!("OAuth client  {}{secret}", printable(id)))?;
    }
    for key in &standing.keys {
        output.line(format_args!("AudioHook key {}", key.fingerprint))?;
    }
    let (listen, on_hold) = (listen_name(settings.listen), on_hold_name(settings.on_hold));
    output.line(format_args!("listens       {listen}, on hold {on_hold}"))?;
    if !settings.queues.is_empty() {
        output.line(format_args!("queues        {}", printable(&settings.queues.join(", "))))?;
    }
    if let Some(days) = settings.retention_days {
        output.line(format_args!("recordings    kept for {days} days"))?;
    }
    output.line(format_args!("users         {users}"))
}

const fn on_hold_name(on_hold: OnHold) -> &'static str {
    match on_hold {
        OnHold::Keep => "keep",
        OnHold::Pause => "pause",
    }
}

impl From<OrganizationsError> for Failure {
    fn from(error: OrganizationsError) -> Self {
        match error {
            OrganizationsError::Store(error)
            | OrganizationsError::Secrets(SecretsError::Store(error)) => error.into(),
            error @ OrganizationsError::Crowded(_) => Self::fault(error.to_string()),
            error @ OrganizationsError::Unknown(_) => Self::bad_input(error.to_string())
                .hint("`sidetone org list` shows which are; `sidetone org add` adds one"),
            OrganizationsError::Field { field: "region", reason } => {
                Self::bad_input(format!("--region: {reason}"))
                    .hint("such as --region usw2; it stands in the address of Genesys Cloud")
            }
            error @ OrganizationsError::Field { field: "hosts", .. } => {
                Self::bad_input("--login-url and --api-url cannot be used").because(error)
            }
            error @ (OrganizationsError::Exists(_)
            | OrganizationsError::Field { .. }
            | OrganizationsError::Secrets(_)) => Self::bad_input(error.to_string()),
        }
    }
}
