//! What can be typed, what cannot, and what the help says.

use clap::CommandFactory;
use clap::error::ErrorKind;

use super::*;

fn parsed(line: &str) -> Args {
    Args::try_parse_from(line.split_whitespace()).unwrap()
}

fn refused(line: &str) -> ErrorKind {
    let error = Args::try_parse_from(line.split_whitespace()).unwrap_err();
    assert_eq!(error.exit_code(), 2, "{line}");
    error.kind()
}

#[test]
fn the_definition_holds_together() {
    Args::command().debug_assert();
}

#[test]
fn every_command_has_one_line_and_examples() {
    fn check(command: &clap::Command, path: &str) {
        for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
            let path = format!("{path} {}", sub.get_name());
            let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
            assert!(!about.is_empty() && !about.contains('\n'), "{path}: {about:?}");
            if sub.has_subcommands() {
                check(sub, &path);
            } else if path != "sidetone secrets list" {
                let help = sub.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.contains("Example"), "{path} shows an example");
            }
        }
    }
    let mut command = Args::command();
    command.build();
    check(&command, "sidetone");
}

#[test]
fn examples_in_help_texts_can_be_typed() {
    fn check(command: &clap::Command) {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let help = help.replace("\\\n", " ");
        // Only a build that knows AWS knows stacks.
        let known = |line: &&str| cfg!(feature = "aws") || !line.contains("--stack");
        let examples = help.lines().map(str::trim).filter(|line| line.starts_with("sidetone "));
        for line in examples.filter(known) {
            // What stands after the command is a comment or the shell's.
            let end = ["  ", " > ", " | ", " < ", " && "]
                .iter()
                .filter_map(|mark| line.find(mark))
                .filter(|end| !line[*end..].trim_start().starts_with("--"))
                .min()
                .unwrap_or(line.len());
            let words = line[..end].split_whitespace();
            let parsed = Args::try_parse_from(words);
            assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
        }
        command.get_subcommands().for_each(check);
    }
    check(&Args::command());
}

#[test]
fn scenarios_stand_in_the_help() {
    let mut command = Args::command();
    command.build();
    let simulate = command.find_subcommand_mut("simulate").unwrap();
    let help = simulate.render_long_help().to_string();
    for scenario in sidetone_genesys_sim::Scenario::all() {
        assert!(help.contains(scenario.as_str()) && help.contains(scenario.summary()), "{help}");
    }
}

#[test]
fn no_help_shows_a_secret_of_the_environment() {
    let mut command = Args::command();
    let simulate = command.find_subcommand_mut("simulate").unwrap();
    for name in ["client_secret", "api_key"] {
        let arg = simulate.get_arguments().find(|arg| arg.get_id() == name).unwrap();
        assert!(arg.is_hide_env_values_set(), "{name}");
    }
}

#[test]
fn global_options_stand_before_or_behind() {
    for line in ["sidetone --json --data d users list", "sidetone users list --json --data d"] {
        let args = parsed(line);
        assert!(args.global.json);
        assert_eq!(args.global.config().unwrap().data, PathBuf::from("d"));
    }
}

#[test]
fn the_plain_uses_have_sensible_values() {
    let Command::Run(run) = parsed("sidetone run").command else { panic!("run") };
    assert!(!run.simulate);
    let Command::Simulate(simulate) = parsed("sidetone simulate").command else { panic!("sim") };
    assert_eq!((simulate.calls, simulate.speed, simulate.plant), (1, 1.0, None));
    assert_eq!(simulate.scenario.0, value::TOUR);
    let Command::Tail(tail) = parsed("sidetone tail").command else { panic!("tail") };
    assert_eq!(tail.start(), TailFrom::Now);
}

#[test]
fn what_excludes_each_other_is_refused() {
    for line in [
        "sidetone simulate --embedded --target ws://a/ --api-key k",
        "sidetone simulate --target ws://a/ --api-key k --plant drop-frame",
        "sidetone users list --csv --json",
        "sidetone tail --frames --json",
    ] {
        assert_eq!(refused(line), ErrorKind::ArgumentConflict, "{line}");
    }
    for line in [
        "sidetone simulate --target ws://a/",
        "sidetone run --speed 2",
        "sidetone tail --audio",
        "sidetone listen c0ffee12",
    ] {
        assert_eq!(refused(line), ErrorKind::MissingRequiredArgument, "{line}");
    }
    for line in [
        "sidetone simulate --speed 0",
        "sidetone simulate --scenario answred",
        "sidetone tail --conversation ../../etc",
        "sidetone users import a.csv --organization acme",
    ] {
        assert_eq!(refused(line), ErrorKind::ValueValidation, "{line}");
    }
    assert_eq!(refused("sidetone simulate --plant rot"), ErrorKind::InvalidValue);
}

#[test]
fn logging_more_is_asked_for_by_v() {
    assert_eq!(parsed("sidetone run").global.log_filter("warn"), "warn");
    assert_eq!(parsed("sidetone run -v").global.log_filter("warn"), "info,sidetone=debug");
    assert_eq!(parsed("sidetone -vv run").global.log_filter("warn"), "debug,sidetone=trace");
}

#[test]
fn what_a_command_is_for_stands_at_the_top_of_its_long_help() {
    let mut command = Args::command();
    command.build();
    for (name, words) in [
        ("run", "a second Ctrl-C ends at once"),
        ("simulate", "judges the protocol"),
        ("tail", "Plain, audio is summed up"),
        ("listen", "the customer left, the agent right"),
    ] {
        let sub = command.find_subcommand_mut(name).unwrap();
        let help = sub.render_long_help().to_string().replace('\n', " ");
        assert!(help.contains(words), "{help}");
    }
}
