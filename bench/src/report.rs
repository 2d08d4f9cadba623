//! The report: figures beside what was aimed for, for people or as JSON.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::Failure;
use crate::args::Kind;
use crate::figures::{Figures, Latency, Outcome, RampEnd, Relay, middle};
use crate::visit::PONG_P99_MAX_MS;
use crate::whole::{Round, WholeOutcome};

/// What design.md allows a session in memory.
const MEMORY_MAX_KIB: f64 = 16.0;
const BURST_P99_MAX_MS: f64 = 60.0;
const COMMITTED_P99_MAX_MS: f64 = 400.0;
/// What it allows everything that `sidetone run` runs.
const WHOLE_RATIO_MAX: f64 = 3.5;
const WHOLE_MEMORY_MAX_KIB: f64 = 32.0;
const RECORDED_MAX_MS: f64 = 2_000.0;

/// One figure and what was aimed for.
struct Line {
    what: &'static str,
    kind: Kind,
    figure: String,
    target: Option<(String, bool)>,
}

/// Tells what happens, apart from the report.
pub(crate) fn say(text: &str) {
    // Progress that cannot be shown is no reason to stop.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Prints the report for people.
pub(crate) fn print(outcome: &Outcome) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "\n{}\n{}\n", outcome.command, outcome.machine.line())?;
    if !outcome.machine.cores_apart {
        writeln!(out, "Server and client shared one core: no figure below is worth much.\n")?;
    }
    let mut above = "";
    for Line { what, kind, figure, target } in lines(outcome) {
        if what != above {
            writeln!(out, "{what}")?;
            above = what;
        }
        let target = match target {
            None => String::new(),
            Some((target, true)) => format!("{target}: met"),
            Some((target, false)) => format!("{target}: NOT MET"),
        };
        writeln!(out, "  {:<24}{figure:<34}{target}", kind.label())?;
    }
    writeln!(out, "\nThe machine may be shared: compare within one run, not between runs.")?;
    Ok(())
}

/// Returns the command line, as it can be given again.
pub(crate) fn command() -> String {
    let args = std::env::args().skip(1).filter(|arg| arg != "--placed");
    std::iter::once("bench".to_owned()).chain(args).collect::<Vec<_>>().join(" ")
}

/// Prints the report of `bench whole` for people.
pub(crate) fn print_whole(outcome: &WholeOutcome) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "\n{}\n{}\n", outcome.command, outcome.machine.line())?;
    for (what, figure, target) in whole_lines(outcome) {
        let target = match target {
            None => String::new(),
            Some((target, true)) => format!("{target}: met"),
            Some((target, false)) => format!("{target}: NOT MET"),
        };
        writeln!(out, "  {what:<44}{figure:<34}{target}")?;
    }
    writeln!(out, "\nThe machine may be shared: compare within one run, not between runs.")?;
    Ok(())
}

/// Prints the report of `bench whole` as one JSON object.
pub(crate) fn print_whole_json(outcome: &WholeOutcome) -> Result<(), Failure> {
    let mut all = serde_json::to_value(outcome)?;
    let lines: Vec<Value> = whole_lines(outcome)
        .into_iter()
        .map(|(what, figure, target)| {
            let (target, met) = target.map_or((None, None), |(text, met)| (Some(text), Some(met)));
            json!({ "what": what, "figure": figure, "target": target, "met": met })
        })
        .collect();
    if let Value::Object(fields) = &mut all {
        fields.insert("report".to_owned(), lines.into());
    }
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &all)?;
    writeln!(out)?;
    Ok(())
}

type WholeLine = (&'static str, String, Option<(String, bool)>);

fn whole_lines(outcome: &WholeOutcome) -> Vec<WholeLine> {
    let of = |rounds: &[Round], figure: fn(&Round) -> f64| middle(rounds.iter().map(figure));
    let (sink, whole) = (&outcome.sink, &outcome.whole);
    let ratio = outcome.ratio();
    let peak = of(whole, |round| round.per_session_kib(round.peak_kib));
    let recorded = |quantile: fn(&Latency) -> f64| {
        middle(whole.iter().filter_map(|round| round.recorded.as_ref()).map(quantile))
    };
    let p99 = recorded(|latency| latency.p99_ms);
    let calls = whole.iter().map(|round| round.calls).sum::<usize>();
    let complete = whole.iter().map(|round| round.complete).sum::<usize>();
    vec![
        (
            "CPU seconds per session-hour, sink",
            format!("{:.3} s", of(sink, Round::per_session_hour)),
            None,
        ),
        (
            "the same, sidetone run to the last recording",
            format!("{:.3} s, {ratio:.2} times the sink", of(whole, Round::per_session_hour)),
            Some((format!("at most {WHOLE_RATIO_MAX} times"), ratio <= WHOLE_RATIO_MAX)),
        ),
        (
            "memory per session, at the end of the calls",
            format!("{:.1} KiB", of(whole, |round| round.per_session_kib(round.calls_kib))),
            None,
        ),
        (
            "memory per session, peak to the last recording",
            format!("{peak:.1} KiB"),
            Some((format!("at most {WHOLE_MEMORY_MAX_KIB} KiB"), peak <= WHOLE_MEMORY_MAX_KIB)),
        ),
        (
            "from the end of a call to its recording",
            format!("p50 {:.0} ms, p99 {p99:.0} ms", recorded(|latency| latency.p50_ms)),
            Some((format!("p99 under {RECORDED_MAX_MS} ms"), p99 < RECORDED_MAX_MS)),
        ),
        (
            "complete recordings",
            format!("{complete} of {calls}"),
            Some(("all".to_owned(), complete == calls)),
        ),
        (
            "bytes written per byte of audio",
            format!(
                "{:.2}",
                of(whole, |round| round.written_bytes as f64 / round.audio_bytes as f64)
            ),
            None,
        ),
    ]
}

/// Prints the report as one JSON object.
pub(crate) fn print_json(outcome: &Outcome) -> Result<(), Failure> {
    let mut all = serde_json::to_value(outcome)?;
    let targets: Vec<Value> = lines(outcome)
        .into_iter()
        .map(|Line { what, kind, figure, target }| {
            let (target, met) = target.map_or((None, None), |(text, met)| (Some(text), Some(met)));
            json!({ "what": what, "kind": kind, "figure": figure, "target": target, "met": met })
        })
        .collect();
    if let Value::Object(fields) = &mut all {
        fields.insert("report".to_owned(), targets.into());
    }
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &all)?;
    writeln!(out)?;
    Ok(())
}

fn lines(outcome: &Outcome) -> Vec<Line> {
    let work = outcome.relays.iter().map(|relay| work_line(outcome, relay));
    let of_each: [fn(&Figures) -> Option<Line>; 7] = [
        sessions_line,
        memory_line,
        |figures| {
            let aim = Some(BURST_P99_MAX_MS);
            opened_line(figures, "Opened, burst of 400 at 800/s", figures.opened_in_burst, aim)
        },
        |figures| {
            let latency = figures.opened_in_burst_under_load;
            opened_line(figures, "Opened, the same burst beside the steady load", latency, None)
        },
        |figures| opened_line(figures, "Opened, 80/s", figures.opened_steadily, None),
        pong_line,
        committed_line,
    ];
    let others = of_each.iter().flat_map(|line| outcome.servers.iter().filter_map(line));
    work.chain(outcome.relays.iter().filter_map(puts_line)).chain(others).collect()
}

fn sessions_line(figures: &Figures) -> Option<Line> {
    let ramp = figures.ramp.as_ref()?;
    let (prefix, note) = match ramp.end {
        RampEnd::PongTooSlow => ("", ""),
        RampEnd::ClientSaturated => ("at least ", ", client saturated"),
        RampEnd::LimitReached => ("at least ", ""),
        RampEnd::ConnectionsFailed => ("", ", then connections failed"),
    };
    let target = figures
        .kind
        .sessions_target()
        .map(|target| (format!("at least {target}"), ramp.most >= target));
    Some(Line {
        what: "Most sessions on one core, pong p99 under 50 ms",
        kind: figures.kind,
        figure: format!("{prefix}{}{note}", ramp.most),
        target,
    })
}

fn work_line(outcome: &Outcome, relay: &Relay) -> Line {
    let (kind, seconds) = (relay.kind, relay.per_session_hour());
    let ratio = outcome.ratio_to_sink(relay);
    let figure = match (kind, ratio) {
        (Kind::Sink, _) | (_, None) => format!("{seconds:.3} s"),
        (_, Some(ratio)) => format!("{seconds:.3} s, {ratio:.2} times the sink"),
    };
    let seconds_target =
        kind.seconds_target().map(|target| (format!("at most {target:.1} s"), seconds <= target));
    let target = kind.ratio_target().zip(ratio);
    Line {
        what: "CPU seconds per session-hour, all in turns",
        kind,
        figure,
        target: target
            .map(|(target, ratio)| (format!("at most {target} times"), ratio <= target))
            .or(seconds_target),
    }
}

fn puts_line(relay: &Relay) -> Option<Line> {
    let (puts, seconds) = relay.puts()?;
    let each = |count: u64| count as f64 / puts.requests.max(1) as f64;
    Some(Line {
        what: "PutRecords, all in turns",
        kind: relay.kind,
        figure: format!(
            "{:.1} a second, {:.0} records and {:.0} KiB each",
            puts.requests as f64 / seconds,
            each(puts.records),
            each(puts.bytes) / 1_024.0,
        ),
        target: None,
    })
}

fn memory_line(figures: &Figures) -> Option<Line> {
    let (idle, rested) =
        (figures.memory_idle.per_session_kib(), figures.memory_rested.per_session_kib());
    let target = (figures.kind != Kind::Sink)
        .then(|| (format!("opened under {MEMORY_MAX_KIB} KiB"), idle < MEMORY_MAX_KIB));
    Some(Line {
        what: "Memory per session, opened; silent again after audio",
        kind: figures.kind,
        figure: format!("{idle:.1} KiB; {rested:.1} KiB"),
        target,
    })
}

fn opened_line(
    figures: &Figures,
    what: &'static str,
    latency: Latency,
    p99_max_ms: Option<f64>,
) -> Option<Line> {
    let aimed = p99_max_ms.filter(|_| figures.kind != Kind::Sink);
    let target = aimed.map(|max| (format!("p99 under {max} ms"), latency.p99_ms < max));
    Some(Line { what, kind: figures.kind, figure: spread(latency), target })
}

fn pong_line(figures: &Figures) -> Option<Line> {
    let latency = figures.steady.ping_to_pong;
    let met = latency.p99_ms < PONG_P99_MAX_MS;
    Some(Line {
        what: "Pong after ping, steady load",
        kind: figures.kind,
        figure: spread(latency),
        target: (figures.kind != Kind::Sink)
            .then(|| (format!("p99 under {PONG_P99_MAX_MS} ms"), met)),
    })
}

fn committed_line(figures: &Figures) -> Option<Line> {
    let latency = figures.steady.accepted_to_committed?;
    let sessions = figures.steady.work.sessions;
    Some(Line {
        what: "Committed after accepted, steady load",
        kind: figures.kind,
        figure: spread(latency),
        target: Some((
            format!("p99 under {COMMITTED_P99_MAX_MS} ms ({sessions} sessions)"),
            latency.p99_ms < COMMITTED_P99_MAX_MS,
        )),
    })
}

fn spread(latency: Latency) -> String {
    format!("p50 {:.1} ms, p99 {:.1} ms", latency.p50_ms, latency.p99_ms)
}
