//! `sidetone simulate`.

use crate::args::{GlobalArgs, SimulateArgs};
use crate::failure::{Exit, Failure};
use crate::output::Output;

/// Plays Genesys Cloud and judges what was delivered.
pub(crate) async fn simulate(
    _global: &GlobalArgs,
    _args: &SimulateArgs,
    _output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    Err(Failure::fault("`sidetone simulate` is not built yet"))
}
