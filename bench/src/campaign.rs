//! A whole run: every server after the other, then the report.

use std::path::{Path, PathBuf};

use tokio::runtime::Builder;
use tokio::task::LocalSet;

use crate::Failure;
use crate::args::Plan;
use crate::figures::Outcome;
use crate::places::{Cores, Machine, core_count, move_to};
use crate::relay::relay;
use crate::report;
use crate::visit::{SESSIONS_MIN, visit};

/// Measures what was asked for and prints it.
pub(crate) fn run(plan: &Plan) -> Result<(), Failure> {
    if !plan.work_only && plan.steady_sessions() < SESSIONS_MIN {
        return Err(format!(
            "--sessions {}: connecting is measured with {SESSIONS_MIN} sessions; \
             give more, or --work-only",
            plan.steady_sessions()
        )
        .into());
    }
    if !plan.placed {
        // Before any thread is started. The server is pinned when it is.
        return Err(move_to(Cores::choose().client));
    }
    let cores = server_core();
    if cores.is_one() {
        report::say("one core only: server and client are in each other's way");
    }
    let data = data_directory(plan.data.as_deref())?;
    let machine = Machine::look(cores, core_count(), &data);
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let outcome = LocalSet::new().block_on(&runtime, measure(plan, cores, data, machine))?;
    match plan.json {
        true => report::print_json(&outcome),
        false => report::print(&outcome),
    }
}

async fn measure(
    plan: &Plan,
    cores: Cores,
    data: PathBuf,
    machine: Machine,
) -> Result<Outcome, Failure> {
    let command = report::command();
    let mut kinds = plan.only.clone();
    kinds.sort_unstable();
    kinds.dedup();
    let relays = relay(&kinds, plan, cores, &data).await?;
    let mut servers = Vec::new();
    for kind in kinds.into_iter().filter(|_| !plan.work_only) {
        servers.push(visit(kind, plan, cores, &data).await?);
    }
    Ok(Outcome { machine, command, relays, servers })
}

/// This process is pinned by now, so what it may use says nothing of the server's core: that
/// is the first of the machine, or the next one if this process has the first.
pub(crate) fn server_core() -> Cores {
    let client = Cores::choose().client;
    let server = if client == 0 && core_count() > 1 { 1 } else { 0 };
    Cores { server, client }
}

/// Beside this program, as that is on a real disk where a temporary directory may be memory.
pub(crate) fn data_directory(data: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(data) = data {
        std::fs::create_dir_all(data)?;
        return Ok(data.to_owned());
    }
    let program = std::env::current_exe()?;
    Ok(program.parent().map_or_else(|| PathBuf::from("."), PathBuf::from))
}
