//! The commands that only look.

use comfy_table::{Table, presets};
use serde_json::json;
use sidetone_model::User;
use sidetone_ports::{HistoryEntry, HistoryQuery, UserStore};
use sidetone_user_file::{Fields, write};

use super::place::{Place, open};
use super::tell::{change_json, line};
use super::{SAMPLE_HINT, counted};
use crate::args::{ExportArgs, FindArgs, GlobalArgs, HistoryArgs, UserListArgs};
use crate::failure::{Exit, Failure};
use crate::output::{Output, printable};

/// Shows all users.
pub(super) async fn list(
    global: &GlobalArgs,
    args: &UserListArgs,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let place = open(global, &args.scope, false, output).await?;
    let users = place.store.users(place.organization).await?;
    if args.csv {
        write_csv(&users, output)?;
    } else if users.is_empty() && !output.is_json() {
        let organization = place.organization;
        output.note(format_args!("organization {organization} has no users; {SAMPLE_HINT}"));
    } else {
        show(&place, &users, output)?;
    }
    Ok(Exit::Done)
}

/// Writes all users as CSV.
pub(super) async fn export(
    global: &GlobalArgs,
    args: &ExportArgs,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let place = open(global, &args.scope, false, output).await?;
    let users = place.store.users(place.organization).await?;
    let Some(path) = &args.output else {
        write_csv(&users, output)?;
        return Ok(Exit::Done);
    };
    let unwritten = |error: std::io::Error| {
        Failure::fault(format!("cannot write {}", path.display())).because(error)
    };
    let file = std::fs::File::create(path).map_err(unwritten)?;
    write(std::io::BufWriter::new(file), &users).map_err(unwritten)?;
    if output.is_json() {
        let organization = place.organization;
        output.json(&json!({
            "organization": organization, "exported": users.len(), "file": path,
        }))?;
    } else {
        output.line(format_args!("exported {} to {}", counted(users.len()), path.display()))?;
    }
    Ok(Exit::Done)
}

fn write_csv(users: &[User], output: &mut Output<'_>) -> Result<(), Failure> {
    let mut csv = Vec::new();
    write(&mut csv, users)
        .map_err(|error| Failure::fault("cannot write the users as CSV").because(error))?;
    output.line(String::from_utf8_lossy(&csv).trim_end())
}

/// Shows the users in whom every word is found.
pub(super) async fn find(
    global: &GlobalArgs,
    args: &FindArgs,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let place = open(global, &args.scope, false, output).await?;
    let words: Vec<String> = args.words.iter().map(|word| word.to_lowercase()).collect();
    let mut users = place.store.users(place.organization).await?;
    users.retain(|user| {
        let fields = Fields::of(user).in_order().map(str::to_lowercase);
        words.iter().all(|word| fields.iter().any(|field| field.contains(word.as_str())))
    });
    if users.is_empty() && !output.is_json() {
        output.note("nobody is found");
    } else {
        show(&place, &users, output)?;
    }
    Ok(if users.is_empty() { Exit::VerdictNo } else { Exit::Done })
}

fn show(place: &Place, users: &[User], output: &mut Output<'_>) -> Result<(), Failure> {
    let organization = place.organization;
    if output.is_json() {
        return output.json(&json!({ "organization": organization, "users": users }));
    }
    output.line(table(users))?;
    output.note(format_args!("{} of organization {organization}", counted(users.len())));
    Ok(())
}

/// Shows who changed what.
pub(super) async fn history(
    global: &GlobalArgs,
    args: &HistoryArgs,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let place = open(global, &args.scope, false, output).await?;
    let query = HistoryQuery {
        agent: args.agent.clone(),
        before: args.before.clone(),
        limit: usize::from(args.limit.get()),
    };
    let page = place.store.user_history(place.organization, &query).await?;
    if output.is_json() {
        let entries: Vec<_> = page.entries.iter().map(entry_json).collect();
        output.json(&json!({
            "organization": place.organization,
            "history": entries,
            "next": page.next.map(|next| next.to_string()),
        }))?;
        return Ok(Exit::Done);
    }
    for HistoryEntry { revision, origin, change } in &page.entries {
        output.line(format_args!(
            "{}  change {revision}  {} by {}  {}",
            origin.at,
            origin.way.as_str(),
            printable(&origin.by),
            line(change),
        ))?;
    }
    match page.next {
        Some(next) => output.note(format_args!("there is more: --before {next}")),
        None if page.entries.is_empty() => output.note("nothing was changed yet"),
        None => {}
    }
    Ok(Exit::Done)
}

fn entry_json(entry: &HistoryEntry) -> serde_json::Value {
    let mut told = change_json(&entry.change);
    told["change"] = json!(entry.revision);
    told["at"] = json!(entry.origin.at.to_string());
    told["by"] = json!(entry.origin.by);
    told["way"] = json!(entry.origin.way);
    told
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
        let [name, username, agent, rest @ ..] = Fields::of(user).in_order();
        let mut row = vec![agent, name, username];
        row.extend(rest);
        table.add_row(row.into_iter().map(printable));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}
