//! `sidetone org`: the organizations that are served here, each with its own settings and secrets.

use std::io::{self, Read};
use std::path::Path;

use comfy_table::{Table, presets};
use serde_json::{Value, json};
use sidetone_audiohook_proto::KeyId;
use sidetone_delivery_wire::listen_name;
use sidetone_model::{Listen, OnHold, Organization, OrganizationId, PlatformPlace};
use sidetone_ports::{OrganizationStore, StoredKey, UserStore};
use sidetone_ports_embedded::{ClientFile, DataDir, KeyFile, Store, StoredClient};
use sidetone_tracking::Hosts;

use super::{data, existing_data};
use crate::args::{ClientArg, GlobalArgs, OrgAddArgs, OrgArgs, OrgCommand};
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
    if global.stack.is_some() {
        return Err(Failure::bad_input("organizations of a stack cannot be set up from here yet")
            .hint("a stack serves the organization of its parameters; see docs/deploy.md"));
    }
    match command {
        OrgCommand::Add(args) => add(&House::open(data(global)?)?, args, output).await,
        OrgCommand::List => list(&House::open(existing_data(global)?)?, output).await,
        OrgCommand::Show(args) => show(&House::open(existing_data(global)?)?, args, output).await,
        OrgCommand::Remove(args) => {
            remove(&House::open(existing_data(global)?)?, args, output).await
        }
    }
}

/// Where settings and secrets lie.
struct House {
    store: Store,
    clients: ClientFile,
    keys: KeyFile,
}

/// An organization with what is known of its secrets.
struct Shown {
    settings: Organization,
    /// The ids of the clients whose secret is there.
    with_secret: Vec<String>,
    keys: Vec<StoredKey>,
    users: usize,
}

impl House {
    fn open(data: DataDir) -> Result<Self, Failure> {
        Ok(Self {
            store: Store::open(&data.store())?,
            clients: ClientFile::new(&data.clients()),
            keys: KeyFile::open(&data.keys())?,
        })
    }

    async fn shown(&self, settings: Organization) -> Result<Shown, Failure> {
        let clients = self.clients.clients(settings.id)?;
        let mut keys = self.keys.keys()?;
        keys.retain(|key| key.organizations.contains(&settings.id));
        Ok(Shown {
            with_secret: clients.into_iter().map(|client| client.client_id).collect(),
            keys,
            users: self.store.users(settings.id).await?.len(),
            settings,
        })
    }

    async fn known(&self, id: OrganizationId) -> Result<Organization, Failure> {
        self.store.organization(id).await?.ok_or_else(|| {
            Failure::bad_input(format!("organization {id} is not served here"))
                .hint("`sidetone org list` shows which are; `sidetone org add` adds one")
        })
    }
}

async fn add(house: &House, args: &OrgAddArgs, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let before = house.store.organization(args.organization).await?;
    let settings = settings(args, before)?;
    let clients = clients(args)?;
    // The secret first: a tracker that starts in between finds all that it needs.
    if !clients.is_empty() {
        house.clients.replace(args.organization, clients)?;
    }
    house.store.put_organization(&settings).await?;
    let shown = house.shown(settings).await?;
    if output.is_json() {
        output.json(&value_of(&shown))?;
        return Ok(Exit::Done);
    }
    print(&shown, output)?;
    let id = shown.settings.id;
    if shown.with_secret.is_empty() {
        output.note(
            "It has no OAuth client yet, so nobody tells of its calls: give one with --client.",
        );
    }
    if shown.keys.is_empty() {
        output.note(format_args!(
            "It has no AudioHook key yet: `sidetone secrets new --organization {id}` makes one."
        ));
    }
    Ok(Exit::Done)
}

/// Returns the settings as they are to be: what was said, else what was there, else the usual.
fn settings(args: &OrgAddArgs, before: Option<Organization>) -> Result<Organization, Failure> {
    let platform = match (&args.region, &args.login_url, &args.api_url) {
        (Some(region), _, _) => {
            Hosts::resolve(region).map_err(|error| {
                Failure::bad_input("--region is no Genesys Cloud region").because(error)
            })?;
            Some(PlatformPlace::Region(region.clone()))
        }
        (None, Some(login), Some(api)) => {
            Hosts::loopback(login, api).map_err(|error| {
                Failure::bad_input("--login-url and --api-url cannot be used").because(error)
            })?;
            Some(PlatformPlace::Hosts { login: login.clone(), api: api.clone() })
        }
        (None, _, _) => None,
    };
    let mut settings = match (before, platform) {
        (Some(before), None) => before,
        (Some(before), Some(platform)) => Organization { platform, ..before },
        (None, Some(platform)) => Organization {
            id: args.organization,
            platform,
            client_ids: Vec::new(),
            listen: Listen::default(),
            on_hold: OnHold::default(),
            queues: Vec::new(),
        },
        (None, None) => {
            return Err(Failure::bad_input("a new organization needs its --region")
                .hint("such as --region usw2; it stands in the address of Genesys Cloud"));
        }
    };
    if !args.clients.is_empty() {
        settings.client_ids = args.clients.iter().map(|one| one.client_id.clone()).collect();
    }
    if !args.queues.is_empty() {
        settings.queues.clone_from(&args.queues);
    }
    settings.listen = args.listen.map_or(settings.listen, Into::into);
    settings.on_hold = args.on_hold.map_or(settings.on_hold, Into::into);
    Ok(settings)
}

fn clients(args: &OrgAddArgs) -> Result<Vec<StoredClient>, Failure> {
    let from_input = args.clients.iter().filter(|one| is_input(&one.secret_file)).count();
    if from_input > 1 {
        return Err(Failure::bad_input(
            "standard input holds one secret; name files for the others",
        ));
    }
    let read = |one: &ClientArg| {
        Ok(StoredClient {
            organization: args.organization,
            client_id: one.client_id.clone(),
            client_secret: secret(&one.secret_file)?,
        })
    };
    args.clients.iter().map(read).collect()
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

async fn list(house: &House, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let mut all = Vec::new();
    for settings in house.store.organizations().await? {
        all.push(house.shown(settings).await?);
    }
    if output.is_json() {
        let all: Vec<Value> = all.iter().map(value_of).collect();
        output.json(&json!({ "organizations": all }))?;
        return Ok(Exit::Done);
    }
    if all.is_empty() {
        output.note("no organization is set up here; `sidetone org add` adds one");
        return Ok(Exit::Done);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).force_no_tty();
    table.set_header(["ORGANIZATION", "PLATFORM", "CLIENTS", "KEYS", "LISTEN", "HOLD", "USERS"]);
    for one in &all {
        table.add_row([
            one.settings.id.to_string(),
            printable(&place_of(&one.settings)).into_owned(),
            format!("{} of {}", one.with_secret.len(), one.settings.client_ids.len()),
            one.keys.len().to_string(),
            listen_name(one.settings.listen).to_owned(),
            on_hold_name(one.settings.on_hold).to_owned(),
            one.users.to_string(),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    output.line(table.trim_fmt())?;
    Ok(Exit::Done)
}

async fn show(house: &House, args: &OrgArgs, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let settings = house.known(args.organization).await?;
    let shown = house.shown(settings).await?;
    if output.is_json() {
        output.json(&value_of(&shown))?
    } else {
        print(&shown, output)?
    }
    Ok(Exit::Done)
}

async fn remove(house: &House, args: &OrgArgs, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let id = args.organization;
    let settings = house.known(id).await?;
    // The keys first: from here on nobody comes in.
    let keys = house.keys.remove_organization(id)?;
    house.store.remove_organization(id).await?;
    house.clients.replace(id, Vec::new())?;
    if output.is_json() {
        let clients = settings.client_ids.len();
        output.json(&json!({ "organization": id, "keys": keys, "clients": clients }))?;
    } else {
        output.line(format_args!(
            "organization {id} is no longer served; {keys} of its keys are no longer good for it"
        ))?;
    }
    Ok(Exit::Done)
}

fn value_of(shown: &Shown) -> Value {
    let settings = &shown.settings;
    let client = |id: &String| json!({ "id": id, "has_secret": shown.with_secret.contains(id) });
    let key = |key: &StoredKey| {
        json!({
            "fingerprint": KeyId::new(key.key_id.as_str()).fingerprint(),
            "live_secrets": key.secrets.len(),
        })
    };
    json!({
        "organization": settings.id,
        "platform": place_of(settings),
        "clients": settings.client_ids.iter().map(client).collect::<Vec<_>>(),
        "keys": shown.keys.iter().map(key).collect::<Vec<_>>(),
        "listen": settings.listen,
        "on_hold": settings.on_hold,
        "queues": settings.queues,
        "users": shown.users,
    })
}

fn print(shown: &Shown, output: &mut Output<'_>) -> Result<(), Failure> {
    let settings = &shown.settings;
    output.line(format_args!("organization  {}", settings.id))?;
    output.line(format_args!("platform      {}", printable(&place_of(settings))))?;
    for id in &settings.client_ids {
        let secret = if shown.with_secret.contains(id) { "" } else { " (its secret is missing)" };
        output.line(format_args!("OAuth client  {}{secret}", printable(id)))?;
    }
    for key in &shown.keys {
        let fingerprint = KeyId::new(key.key_id.as_str()).fingerprint();
        output.line(format_args!("AudioHook key {fingerprint}"))?;
    }
    let (listen, on_hold) = (listen_name(settings.listen), on_hold_name(settings.on_hold));
    output.line(format_args!("listens       {listen}, on hold {on_hold}"))?;
    if !settings.queues.is_empty() {
        output.line(format_args!("queues        {}", printable(&settings.queues.join(", "))))?;
    }
    output.line(format_args!("users         {}", shown.users))
}

fn place_of(settings: &Organization) -> String {
    match &settings.platform {
        PlatformPlace::Region(region) => region.clone(),
        PlatformPlace::Hosts { login, .. } => login.clone(),
    }
}

const fn on_hold_name(on_hold: OnHold) -> &'static str {
    match on_hold {
        OnHold::Keep => "keep",
        OnHold::Pause => "pause",
    }
}
