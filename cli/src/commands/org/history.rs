//! Who changed what of an organization, for people and for machines.

use std::borrow::Cow;

use comfy_table::{Table, presets};
use sidetone_delivery_wire::listen_name;
use sidetone_model::{Organization, PlatformPlace};
use sidetone_organizations::{HistoryView, SettingsKind};
use sidetone_ports::{SettingsChange, SettingsEntry, SettingsPage};

use super::on_hold_name;
use crate::args::{GlobalArgs, OrgHistoryArgs};
use crate::failure::Failure;
use crate::output::{Output, printable};

/// Tells of a page.
pub(super) fn tell(
    global: &GlobalArgs,
    args: &OrgHistoryArgs,
    page: SettingsPage,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    if output.is_json() {
        return output.json(&HistoryView::new(args.organization, page));
    }
    match page.next {
        Some(next) => {
            let (id, limit) = (args.organization.to_string(), args.limit.to_string());
            let before = next.to_string();
            let words = ["org", "history", &id, "--limit", &limit, "--before", &before];
            output.note(format_args!("there is more: {}", global.command(&words, None)));
        }
        None if page.entries.is_empty() => output.note("nothing was changed yet"),
        None => {}
    }
    if page.entries.is_empty() { Ok(()) } else { output.line(table(&page.entries)) }
}

fn table(entries: &[SettingsEntry]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).force_no_tty();
    table.set_header(["CHANGE", "WHEN", "WAY", "BY", "WHAT"]);
    for SettingsEntry { revision, origin, change } in entries {
        table.add_row([
            revision.to_string(),
            origin.at.to_string(),
            origin.way.as_str().to_owned(),
            printable(&origin.by).into_owned(),
            line(change),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

/// Writes one change in a line: what it is, every field that differs, and what was set besides.
fn line(change: &SettingsChange) -> String {
    let mut told = match (&change.before, &change.after) {
        (Some(before), Some(after)) => differing(before, after),
        (None, Some(after)) => said(after),
        (_, None) => Vec::new(),
    };
    told.extend(change.key_set.then(|| "a key was set".to_owned()));
    told.extend(change.clients_set.then(|| "secrets of clients were set".to_owned()));
    format!("{:<8} {}", SettingsKind::of(change).as_str(), told.join(", "))
}

fn said(settings: &Organization) -> Vec<String> {
    let fields = fields(settings).into_iter().filter(|(_, value)| !value.is_empty());
    fields.map(|(name, value)| format!("{name}: {}", printable(&value))).collect()
}

fn differing(before: &Organization, after: &Organization) -> Vec<String> {
    let pairs = fields(before).into_iter().zip(fields(after));
    let differing = pairs.filter(|((_, old), (_, new))| old != new);
    let each = |((name, old), (_, new)): ((_, String), (_, String))| {
        format!("{name}: {} -> {}", shown(&old), shown(&new))
    };
    differing.map(each).collect()
}

fn shown(value: &str) -> Cow<'_, str> {
    if value.is_empty() { Cow::Borrowed("nothing") } else { printable(value) }
}

/// Returns what settings say, by the names of the options that say it.
fn fields(settings: &Organization) -> [(&'static str, String); 6] {
    let Organization { id: _, platform, client_ids, listen, on_hold, queues, retention_days } =
        settings;
    let platform = match platform {
        PlatformPlace::Region(region) => region.clone(),
        PlatformPlace::Hosts { login, api } => format!("{login} {api}"),
    };
    [
        ("platform", platform),
        ("clients", client_ids.join(" ")),
        ("listen", listen_name(*listen).to_owned()),
        ("on-hold", on_hold_name(*on_hold).to_owned()),
        ("queues", queues.join(", ")),
        ("retention-days", retention_days.map(|days| days.to_string()).unwrap_or_default()),
    ]
}
