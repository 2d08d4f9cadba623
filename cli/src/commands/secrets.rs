//! `sidetone secrets`: AudioHook credentials, made here and shown once.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use comfy_table::{Table, presets};
use serde_json::json;
use sidetone_audiohook_proto::{ApiKey, KeyId, Secret, SignatureRule};
use sidetone_model::OrganizationId;
#[cfg(feature = "aws")]
use sidetone_organizations::OrganizationsError;
#[cfg(feature = "aws")]
use sidetone_ports::OrganizationSecrets;
use sidetone_ports::StoredKey;
use sidetone_ports_embedded::{DataDir, KeyFile};

use super::{data, existing_data};
use crate::args::{GlobalArgs, NewSecretArgs, SecretsCommand};
use crate::failure::{Exit, Failure};
use crate::organization::chosen;
use crate::output::Output;

/// Random bytes in a client secret: as many as the hash that it keys has.
const SECRET_BYTES: usize = 32;
/// Random bytes in an API key of our making: nobody guesses one, no two are alike.
const KEY_BYTES: usize = 18;

/// Does what was asked with credentials.
pub(crate) async fn secrets(
    global: &GlobalArgs,
    command: &SecretsCommand,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    #[cfg(feature = "aws")]
    if let Some(stack) = crate::stack::Stack::named(global).await? {
        return match command {
            SecretsCommand::New(args) => new_of_stack(&stack, args, output).await,
            SecretsCommand::List => list(&stack.secrets()?.keys().await?, output),
        };
    }
    match command {
        SecretsCommand::New(args) => new(global, args, output),
        SecretsCommand::List => {
            list(&KeyFile::open(&existing_data(global)?.keys())?.keys()?, output)
        }
    }
}

fn new(
    global: &GlobalArgs,
    args: &NewSecretArgs,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let data = data(global)?;
    let file = KeyFile::open(&data.keys())?;
    let old = match &args.key {
        Some(key_id) => file.keys()?.into_iter().find(|key| key.key_id == *key_id),
        None => None,
    };
    let organizations = organizations(args, old.as_ref(), &data)?;
    let key_id = args.key.clone().unwrap_or_else(new_key_id);
    let secret = new_secret();
    check(&key_id, &secret, &organizations)?;
    let (secrets, organizations) = (vec![secret.clone()], organizations);
    let stored = file.add(StoredKey { key_id, secrets, organizations, api_key_only: false })?;
    print(&stored, &secret, old.as_ref(), output)
}

/// Does the same in a stack's secret.
#[cfg(feature = "aws")]
async fn new_of_stack(
    stack: &crate::stack::Stack,
    args: &NewSecretArgs,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let secrets = stack.secrets()?;
    let keys = secrets.keys().await?;
    let old = keys.iter().find(|key| args.key.as_ref() == Some(&key.key_id));
    let organization = match (args.organization, old) {
        (None, Some(old)) if old.organizations.len() == 1 => old.organizations[0],
        (named, _) => stack.organization(named).await?,
    };
    let key_id = args.key.clone().unwrap_or_else(new_key_id);
    let secret = new_secret();
    check(&key_id, &secret, &[organization])?;
    let added = secrets.add_key(organization, &key_id, &secret).await;
    let stored = added.map_err(|error| Failure::from(OrganizationsError::from(error)))?;
    print(&stored, &secret, old, output)
}

fn new_secret() -> String {
    STANDARD.encode(rand::random::<[u8; SECRET_BYTES]>())
}

/// Returns who may use the key: who was named, or could before.
fn organizations(
    args: &NewSecretArgs,
    old: Option<&StoredKey>,
    data: &DataDir,
) -> Result<Vec<OrganizationId>, Failure> {
    match (old, args.organization) {
        (Some(old), Some(named)) if !old.organizations.contains(&named) => {
            Err(Failure::bad_input("that key belongs to another organization")
                .hint("leave out --key, and the organization gets a key of its own"))
        }
        (Some(old), _) => Ok(old.organizations.clone()),
        (None, named) => match chosen(named, data)? {
            Some(organization) => Ok(vec![organization]),
            None => Err(Failure::bad_input("which organization may use the key?").hint(
                "say so with --organization UUID; the id stands in Genesys Cloud under Admin > \
                 Account Settings > Organization Settings",
            )),
        },
    }
}

/// Makes sure that a door will take what is about to be stored.
fn check(key_id: &str, secret: &str, organizations: &[OrganizationId]) -> Result<(), Failure> {
    let secret = Secret::from_base64(secret)
        .map_err(|error| Failure::fault("the new secret cannot be used").because(error))?;
    let organizations = organizations.iter().copied();
    ApiKey::new(KeyId::new(key_id), vec![secret], organizations, SignatureRule::Required)
        .map(drop)
        .map_err(|error| Failure::bad_input("that cannot be an API key").because(error))
}

fn new_key_id() -> String {
    // Its name gives it away to whoever scans for leaked credentials.
    format!("sidetone-{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; KEY_BYTES]>()))
}

fn print(
    stored: &StoredKey,
    secret: &str,
    old: Option<&StoredKey>,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let dropped = old.map_or(0, |old| (old.secrets.len() + 1).saturating_sub(stored.secrets.len()));
    if output.is_json() {
        output.json(&json!({
            "api_key": stored.key_id,
            "client_secret": secret,
            "organizations": stored.organizations,
            "live_secrets": stored.secrets.len(),
        }))?;
        return Ok(Exit::Done);
    }
    output.line(format_args!("API key        {}", stored.key_id))?;
    output.line(format_args!("Client secret  {secret}"))?;
    for organization in &stored.organizations {
        output.line(format_args!("Organization   {organization}"))?;
    }
    output.note("\nThe secret is not shown again. Enter both in the AudioHook integration.");
    if stored.secrets.len() > 1 {
        output.note("The secret before this one is good too, until the next `secrets new`.");
    }
    if dropped > 0 {
        output.note("The one before that is no longer good.");
    }
    Ok(Exit::Done)
}

fn list(keys: &[StoredKey], output: &mut Output<'_>) -> Result<Exit, Failure> {
    if output.is_json() {
        let keys: Vec<_> = keys.iter().map(key_json).collect();
        output.json(&json!({ "keys": keys }))?;
        return Ok(Exit::Done);
    }
    if keys.is_empty() {
        output.note("there are no keys; `sidetone secrets new` makes one");
        return Ok(Exit::Done);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).force_no_tty();
    table.set_header(["API KEY", "FINGERPRINT", "SECRETS", "ORGANIZATIONS"]);
    for key in keys {
        let organizations: Vec<String> =
            key.organizations.iter().map(ToString::to_string).collect();
        table.add_row([
            shown(&key.key_id),
            KeyId::new(key.key_id.as_str()).fingerprint(),
            secrets_in_words(key),
            organizations.join(", "),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    output.line(table.trim_fmt())?;
    Ok(Exit::Done)
}

fn key_json(key: &StoredKey) -> serde_json::Value {
    json!({
        "api_key": key.key_id,
        "fingerprint": KeyId::new(key.key_id.as_str()).fingerprint(),
        "organizations": key.organizations,
        "live_secrets": key.secrets.len(),
        "api_key_only": key.api_key_only,
    })
}

fn secrets_in_words(key: &StoredKey) -> String {
    if key.api_key_only { "none, key only".to_owned() } else { key.secrets.len().to_string() }
}

/// A key file is edited by hand too.
fn shown(key_id: &str) -> String {
    crate::output::printable(key_id).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_here_a_door_will_take() {
        let organization = crate::organization::SIMULATED_ORGANIZATION;
        let secret = STANDARD.encode([7; SECRET_BYTES]);
        check(&new_key_id(), &secret, &[organization]).unwrap();
        let refused = check("no blanks", &secret, &[organization]).unwrap_err();
        assert_eq!(refused.exit(), Exit::BadInput);
    }
}
