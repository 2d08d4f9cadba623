//! The tracker beside a simulated platform: many agents at once, and holders that die.

mod agents;
mod holders;
mod town;

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

use crate::Failure;
pub(crate) use agents::agents;
pub(crate) use holders::{hold, holders};

/// The most calls that are told of one by one.
const TOLD_MAX: usize = 20;

/// Prints a report, and fails if it says that something is not as it has to be.
fn tell(report: &impl Serialize, json: bool, ok: bool) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let value = serde_json::to_value(report)?;
    if json {
        serde_json::to_writer_pretty(&mut out, &value)?;
        writeln!(out)?;
    } else if let Value::Object(fields) = &value {
        for (name, figure) in fields {
            writeln!(out, "{:<34}{figure}", name.replace('_', " "))?;
        }
    }
    match ok {
        true => Ok(()),
        false => Err("a call was missed or doubled, or a rule of Genesys was broken".into()),
    }
}
