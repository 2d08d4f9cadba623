//! `sidetone completions`.

use clap::{Command, CommandFactory, ValueHint};
use clap_complete::Shell;

use crate::args::Args;
use crate::failure::{Exit, Failure};
use crate::output::Output;

/// Prints completions for a shell.
pub(crate) fn completions(shell: Shell, output: &mut Output<'_>) -> Result<Exit, Failure> {
    // Into memory first: the generator panics if it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut described(Args::command()), "sidetone", &mut script);
    output.line(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Exit::Done)
}

/// Marks every value that is no path as such: shells offer file names where nothing is said.
fn described(command: Command) -> Command {
    let command = command.mut_args(|arg| {
        let undescribed = arg.get_value_hint() == ValueHint::Unknown;
        if undescribed && arg.get_action().takes_values() {
            arg.value_hint(ValueHint::Other)
        } else {
            arg
        }
    });
    command.mut_subcommands(described)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Looks;

    fn script(shell: Shell) -> String {
        let mut script = Vec::new();
        let mut output = Output::new(&mut script, std::io::sink(), Looks::default());
        completions(shell, &mut output).unwrap();
        drop(output);
        String::from_utf8(script).unwrap()
    }

    /// Returns what bash is offered after an option of a command.
    fn offered(script: &str, command: &str, option: &str) -> String {
        let (_, of_command) = script.split_once(&format!("\n        {command})")).unwrap();
        let (_, cases) = of_command.split_once(&format!("{option})\n")).unwrap();
        let (first, _) = cases.split_once("return 0").unwrap();
        first.to_owned()
    }

    #[test]
    fn values_of_scenario_and_adaptor_are_completed() {
        let script = script(Shell::Bash);
        let scenarios = offered(&script, "sidetone__subcmd__simulate", "--scenario");
        assert!(scenarios.contains("tour all answered"), "{scenarios}");
        let adaptors = offered(&script, "sidetone__subcmd__users__subcmd__move", "--to");
        assert!(adaptors.contains("genesys-cloud genesys-engage avaya cisco"), "{adaptors}");
    }

    #[test]
    fn file_names_are_completed_for_paths_alone() {
        let script = script(Shell::Bash);
        let simulate = "sidetone__subcmd__simulate";
        assert!(offered(&script, simulate, "--wav").contains("compgen -f"));
        assert!(!offered(&script, simulate, "--speed").contains("compgen -f"));
        assert!(
            !offered(&script, "sidetone__subcmd__tail", "--conversation").contains("compgen -f")
        );
    }
}
