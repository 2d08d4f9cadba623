//! The commands that only look.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;

use comfy_table::{Table, presets};
use serde_json::json;
use sidetone_model::User;
use sidetone_ports::UserStore;
use sidetone_user_file::{Fields, FileStyle, write};
use tempfile::NamedTempFile;

use super::place::{Place, Use, open};
use super::{SAMPLE_HINT, counted};
use crate::args::{ExportArgs, FindArgs, GlobalArgs, PagerArgs, UserListArgs};
use crate::failure::{Exit, Failure};
use crate::output::{Output, printable};

/// Shows all users.
pub(super) async fn list(
    global: &GlobalArgs,
    args: &UserListArgs,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let place = open(global, &args.scope, Use::Existing, output).await?;
    let mut users = place.store.users(place.organization).await?;
    let none_at_all = users.is_empty();
    let team = args.team.as_deref().map(|team| team.trim().to_lowercase());
    users.retain(|user| {
        team.as_ref().is_none_or(|team| user.team.to_lowercase() == *team)
            && args.adaptor.is_none_or(|adaptor| user.adaptor == adaptor)
            && args.status.is_none_or(|status| user.status == status)
    });
    if args.csv {
        write_csv(&users, FileStyle::Plain, output)?;
    } else if none_at_all && !output.is_json() {
        let organization = place.organization;
        output.note(format_args!("organization {organization} has no users; {SAMPLE_HINT}"));
    } else if users.is_empty() && !output.is_json() {
        output.note("no user fits");
    } else {
        show(&place, &users, args.pager, output)?;
    }
    Ok(Exit::Done)
}

/// Writes all users as CSV.
pub(super) async fn export(
    global: &GlobalArgs,
    args: &ExportArgs,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let place = open(global, &args.scope, Use::Existing, output).await?;
    let users = place.store.users(place.organization).await?;
    let style = if args.excel { FileStyle::Excel } else { FileStyle::Plain };
    let Some(path) = &args.output else {
        write_csv(&users, style, output)?;
        return Ok(Exit::Done);
    };
    write_file(path, &users, style, args.force)?;
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

/// Writes a file that only its owner may read: it names people.
///
/// Errors: there is one, and it is not to be written over; or the disk's.
fn write_file(path: &Path, users: &[User], style: FileStyle, force: bool) -> Result<(), Failure> {
    let unwritten = |error: io::Error| {
        Failure::fault(format!("cannot write {}", path.display())).because(error)
    };
    let exists = path.symlink_metadata();
    if exists.as_ref().is_ok_and(|it| !it.is_file() && !it.is_symlink()) {
        // A pipe or a device takes what it is given.
        let device = File::options().write(true).open(path).map_err(unwritten)?;
        return write(BufWriter::new(device), users, style).map_err(unwritten);
    }
    if exists.is_ok() && !force {
        return Err(Failure::bad_input(format!("{} exists already", path.display()))
            .hint("add --force to write over it, or choose another name"));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    // It is complete, or not there; and it begins readable by its owner alone.
    let mut file = NamedTempFile::new_in(folder).map_err(unwritten)?;
    write(BufWriter::new(&mut file), users, style).map_err(unwritten)?;
    let placed = if force { file.persist(path) } else { file.persist_noclobber(path) };
    placed.map(drop).map_err(|error| unwritten(error.error))
}

fn write_csv(users: &[User], style: FileStyle, output: &mut Output<'_>) -> Result<(), Failure> {
    let mut csv = Vec::new();
    write(&mut csv, users, style)
        .map_err(|error| Failure::fault("cannot write the users as CSV").because(error))?;
    output.line(String::from_utf8_lossy(&csv).trim_end())
}

/// Shows the users in whom every word is found.
pub(super) async fn find(
    global: &GlobalArgs,
    args: &FindArgs,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let place = open(global, &args.scope, Use::Existing, output).await?;
    let words: Vec<String> = args.words.iter().map(|word| word.to_lowercase()).collect();
    let mut users = place.store.users(place.organization).await?;
    users.retain(|user| {
        let fields = Fields::of(user).in_order().map(str::to_lowercase);
        words.iter().all(|word| fields.iter().any(|field| field.contains(word.as_str())))
    });
    if users.is_empty() && !output.is_json() {
        output.note("no user is found");
    } else {
        show(&place, &users, args.pager, output)?;
    }
    Ok(if users.is_empty() { Exit::VerdictNo } else { Exit::Done })
}

fn show(
    place: &Place,
    users: &[User],
    pager: PagerArgs,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let organization = place.organization;
    if output.is_json() {
        return output.json(&json!({ "organization": organization, "users": users }));
    }
    if !pager.no_pager {
        output.page();
    }
    output.line(table(users))?;
    output.note(format_args!("{} of organization {organization}", counted(users.len())));
    Ok(())
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
