//! One module a command; here what several of them need.

pub(crate) mod calls;
pub(crate) mod completions;
pub(crate) mod coverage;
pub(crate) mod listen;
pub(crate) mod org;
pub(crate) mod run;
pub(crate) mod secrets;
pub(crate) mod simulate;
mod streamed;
pub(crate) mod tail;
pub(crate) mod users;
pub(crate) mod why;

use sidetone_ports::{ChangeOrigin, ChangeWay, Clock};
use sidetone_ports_embedded::DataDir;

use crate::args::GlobalArgs;
use crate::failure::{Failure, RUN_FIRST};
use crate::output::Output;
use crate::suggestion::quoted;

/// Opens the data directory beside whoever runs on it, without making one.
///
/// For commands that only look: one in the wrong place should say so, not leave a directory.
pub(crate) fn existing_data(global: &GlobalArgs) -> Result<DataDir, Failure> {
    let path = global.config()?.data;
    if !path.is_dir() {
        let failure = Failure::fault(format!("there is no data directory {}", path.display()));
        return Err(failure.hint(RUN_FIRST));
    }
    Ok(DataDir::peek(&path)?)
}

/// Notes that no process runs on a data directory, for commands that wait for news from one.
///
/// Returns whether one runs.
pub(crate) fn note_if_idle(data: &DataDir, output: &mut Output<'_>) -> Result<bool, Failure> {
    let runs = data.is_in_use()?;
    if !runs {
        output.note(format_args!("nothing is running on {}", data.path().display()));
    }
    Ok(runs)
}

/// Opens the data directory beside whoever runs on it, and makes it if there is none.
pub(crate) fn data(global: &GlobalArgs) -> Result<DataDir, Failure> {
    Ok(DataDir::peek(&global.config()?.data)?)
}

/// Says who does it: whoever is logged in here.
fn origin(way: ChangeWay) -> ChangeOrigin {
    let named = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
    let by = named("LOGNAME").or_else(|| named("USER")).unwrap_or_else(|| "unknown".to_owned());
    ChangeOrigin { at: Clock::system().now(), by, way }
}

/// Returns the option that names the data directory, for commands that are recommended.
pub(crate) fn data_option(data: &std::path::Path) -> String {
    if data == std::path::Path::new("data") {
        String::new()
    } else {
        format!(" --data {}", quoted(&data.display().to_string()))
    }
}
