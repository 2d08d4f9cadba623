//! The findings for people.

use std::path::PathBuf;

use clap::ValueEnum;
use clap::builder::PossibleValue;
use comfy_table::{Cell, CellAlignment, Table, presets};

use super::embedded::{EmbeddedReport, Lag};
use super::target::TargetReport;
use crate::args::{GlobalArgs, SimulateArgs};
use crate::judge::Verdict;
use crate::output::printable;
use crate::suggestion::Suggestion;

/// Returns the findings of an embedded run as a table.
pub(super) fn verdicts(report: &EmbeddedReport) -> String {
    let mut table = table(&[
        "scenario", "seed", "outcome", "opened", "matched", "frames", "missed", "extra", "exact",
        "",
    ]);
    for call in &report.calls {
        table.add_row([
            Cell::new(&call.scenario),
            number(call.seed.to_string()),
            Cell::new(call.reason.as_ref().unwrap_or(&call.outcome)),
            number(millis(call.opened_ms)),
            number(millis(call.matched_ms)),
            number(format!("{} of {}", call.frames_committed, call.frames_sent)),
            number(millis(Some(call.missed_ms))),
            number(millis(Some(call.extra_ms))),
            Cell::new(exactness(call)),
            Cell::new(if call.ok { "ok" } else { "NO" }),
        ]);
    }
    drawn(table)
}

/// Returns what the clients saw as a table.
pub(super) fn sessions(report: &TargetReport) -> String {
    let mut table =
        table(&["scenario", "seed", "opened", "pong", "frames", "sent", "paused", "end", ""]);
    for call in &report.calls {
        table.add_row([
            Cell::new(&call.scenario),
            number(call.seed.to_string()),
            number(millis(call.opened_ms)),
            number(millis(call.pong_ms_max)),
            number(call.frames_sent.to_string()),
            number(millis(Some(call.sent_ms))),
            number(millis(Some(call.paused_ms))),
            Cell::new(printable(&call.end)),
            Cell::new(if call.ok { "ok" } else { "NO" }),
        ]);
    }
    drawn(table)
}

/// Returns, for every call that is not as it has to be, what is wrong and how to play it again.
pub(super) fn complaints(
    report: &EmbeddedReport,
    global: &GlobalArgs,
    args: &SimulateArgs,
) -> Vec<String> {
    let mut lines = Vec::new();
    for call in report.calls.iter().filter(|call| !call.ok) {
        lines.push(format!("{} (seed {}, session {}):", call.scenario, call.seed, call.session_id));
        lines.extend(call.problems.iter().map(|problem| format!("  {}", printable(problem))));
        let command = repeat(global, args, Some(&call.scenario), call.seed);
        lines.push(format!("  once more: {command}"));
    }
    let violations = report.violations.iter();
    lines.extend(violations.map(|one| format!("a rule of Genesys was broken: {}", printable(one))));
    lines
}

/// Returns the command that plays one call again as it was played.
///
/// Every field is named, so that a new option cannot be forgotten here.
pub(super) fn repeat(
    global: &GlobalArgs,
    args: &SimulateArgs,
    scenario: Option<&str>,
    seed: u64,
) -> Suggestion {
    let SimulateArgs {
        embedded: _,
        target,
        api_key,
        // Secrets are not printed; the environment or the file still has them.
        client_secret: _,
        client_secret_file,
        organization,
        #[cfg(feature = "aws")]
        door,
        scenario: _,
        calls: _,
        speed,
        seed: _,
        wav,
        // One call is played.
        concurrency: _,
        text_media,
        lose_frame,
        plant,
    } = args;
    #[cfg(feature = "aws")]
    let embedded = target.is_none() && global.stack.is_none();
    #[cfg(not(feature = "aws"))]
    let embedded = target.is_none();
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let mut command = Suggestion::new(global, &["simulate"]).flag("--embedded", embedded);
    if target.is_some() {
        command = command
            .option("--target", target.as_ref())
            .option("--api-key", api_key.as_ref())
            .option("--client-secret-file", path(client_secret_file))
            .option("--organization", organization.as_ref());
    }
    #[cfg(feature = "aws")]
    for door in door {
        command = command.option(
            "--door",
            Some(format!("{}={}", sidetone_delivery_wire::listen_name(door.listen), door.url)),
        );
    }
    command = command
        .option("--scenario", scenario)
        .option("--seed", Some(seed))
        .option("--speed", (*speed != 1.0).then_some(speed))
        .option("--wav", path(wav))
        .flag("--text-media", *text_media);
    for frame in lose_frame {
        command = command.option("--lose-frame", Some(frame));
    }
    let plant = plant.as_ref().and_then(ValueEnum::to_possible_value);
    command.option("--plant", plant.as_ref().map(PossibleValue::get_name))
}

/// Returns the calls of a round in sentences.
pub(super) fn stories(report: &EmbeddedReport) -> Vec<String> {
    let width = report.stories.iter().map(|story| story.scenario.as_str().len()).max();
    let width = width.unwrap_or(0);
    let mut lines = Vec::new();
    for story in &report.stories {
        lines.push(format!("  {:width$}  {}", story.scenario.as_str(), story.sentence()));
        if let (Some(wav), false) = (&story.wav, report.recordings.is_empty()) {
            lines.push(format!("  {:width$}  {wav}", ""));
        }
    }
    lines
}

/// Returns the verdict in a line.
pub(super) fn verdict(bad: usize, sessions: usize, violations: usize) -> String {
    let counted = |count: usize, what: &str| match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    };
    let sessions = counted(sessions, "session");
    match (bad, violations) {
        (0, 0) => format!("{sessions}, all as they have to be"),
        (0, broken) => format!(
            "{sessions}, all as they have to be, but {} of Genesys broken",
            counted(broken, "rule")
        ),
        (bad, _) => format!("{bad} of {sessions} not as they have to be"),
    }
}

/// Says how late call events were, by source.
pub(super) fn lags(report: &EmbeddedReport) -> Vec<String> {
    let line = |(source, lag): (&&str, &Lag)| {
        let Lag { events, p50_ms, p99_ms } = lag;
        format!("{events} call events by {source}: {p50_ms} ms (p50), {p99_ms} ms (p99) late")
    };
    report.lags.iter().map(line).collect()
}

/// Says how many sessions were played more than once, if some were.
pub(super) fn replays(report: &EmbeddedReport) -> Option<String> {
    let again = report.calls.iter().filter(|call| call.plays > 1).count();
    let plays = report.calls.iter().map(|call| call.plays).max()?;
    (again > 0).then(|| {
        format!(
            "{again} played up to {plays} times, as machines were slow or stood still meanwhile; a \
             lower --speed or --concurrency helps"
        )
    })
}

fn table(headings: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).force_no_tty();
    table.set_header(headings.iter().map(|heading| heading.to_uppercase()));
    table
}

fn drawn(mut table: Table) -> String {
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

fn number(text: String) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

fn millis(millis: Option<u64>) -> String {
    millis.map_or_else(|| "-".to_owned(), |millis| format!("{millis} ms"))
}

/// Names what is not exact.
fn exactness(call: &Verdict) -> String {
    let all = [
        ("audio", call.audio_exact),
        ("agents", call.agents_exact),
        ("holds", call.holds_exact),
        ("events", call.events_exact),
        ("wav", call.wav_exact),
    ];
    let wrong: Vec<&str> = all.iter().filter(|(_, exact)| !exact).map(|(what, _)| *what).collect();
    if wrong.is_empty() { "all".to_owned() } else { format!("not {}", wrong.join(", ")) }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Args, Command};

    fn repeated(words: &[&str]) -> String {
        let args = Args::try_parse_from(words).unwrap();
        let Command::Simulate(simulate) = &args.command else { panic!("not simulate") };
        repeat(&args.global, simulate, Some("answered"), 7).to_string()
    }

    #[test]
    fn repeat_command_has_every_option_that_decides_the_outcome() {
        assert_eq!(
            repeated(&[
                "sidetone",
                "--data",
                "my data",
                "simulate",
                "--plant",
                "drop-frame",
                "--speed",
                "4",
                "--wav",
                "two voices.wav",
                "--calls",
                "9",
            ]),
            "sidetone simulate --data 'my data' --embedded --scenario answered --seed 7 --speed 4 \
             --wav 'two voices.wav' --plant drop-frame"
        );
        assert_eq!(
            repeated(&[
                "sidetone",
                "simulate",
                "--target",
                "wss://door.example.net/a",
                "--api-key",
                "key-1",
                "--text-media",
                "--lose-frame",
                "5",
                "--lose-frame",
                "8",
            ]),
            "sidetone simulate --target wss://door.example.net/a --api-key key-1 --scenario answered \
             --seed 7 --text-media --lose-frame 5 --lose-frame 8"
        );
    }

    #[test]
    fn secrets_are_not_in_the_repeat_command() {
        let command = repeated(&[
            "sidetone",
            "simulate",
            "--target",
            "ws://127.0.0.1/a",
            "--api-key",
            "key-1",
            "--client-secret",
            "c2VjcmV0",
        ]);
        assert!(!command.contains("c2VjcmV0"), "{command}");
    }

    #[test]
    fn counts_in_words() {
        assert_eq!(verdict(0, 1, 0), "1 session, all as they have to be");
        assert_eq!(verdict(2, 9, 0), "2 of 9 sessions not as they have to be");
        assert!(verdict(0, 9, 1).ends_with("but 1 rule of Genesys broken"));
    }
}
