//! Flags and environment variables, for all programs: [`read`] parses them, records where each value comes from, and
//! explains an invalid one. [`reference()`] describes all of them as Markdown. Each program defines its own flags.

mod environment;
mod explain;
mod list;
mod reference;
mod value;

use std::ffi::{OsStr, OsString};

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory, FromArgMatches};

pub use list::Setting;
pub use reference::{reference, reference_of_commands};
pub use value::{address, network, number, switch};

/// The maximum width of `--help`.
const HELP_WIDTH: usize = 80;

/// The arguments of a program, and where they come from.
#[derive(Debug)]
pub struct Invocation<C> {
    /// The arguments.
    pub arguments: C,
    command: Command,
    matches: ArgMatches,
}

/// Reads the command line and the environment. `common` are the flags that `-h` shows; `--help` shows all.
///
/// Like clap's `parse`, it ends the process after `--help`, and after an error, which names the flag or variable with
/// the invalid value.
pub fn read<C: CommandFactory + FromArgMatches>(common: &[&str]) -> Invocation<C> {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let command = command::<C>(common);
    match environment::apply(command.clone()).try_get_matches_from(&arguments) {
        Ok(matches) => match C::from_arg_matches(&matches) {
            Ok(parsed) => Invocation { arguments: parsed, command: C::command(), matches },
            Err(error) => error.exit(),
        },
        // Help names all variables, whether or not they are set.
        Err(error) if error.kind() == ErrorKind::DisplayHelp => match command.try_get_matches_from(&arguments) {
            Err(help) => help.exit(),
            Ok(_) => error.exit(),
        },
        Err(error) => explain::explain(error, &command, &arguments).exit(),
    }
}

/// The command line of a program, as [`read`] uses it.
pub fn command<C: CommandFactory>(common: &[&str]) -> Command {
    dress(C::command().max_term_width(HELP_WIDTH), common)
}

fn dress(command: Command, common: &[&str]) -> Command {
    command
        .mut_args(|arg| {
            let is_common = arg.get_long().is_none_or(|long| common.contains(&long));
            // Only `kinoteka config` shows values of the environment.
            let takes_value = arg.get_action().takes_values();
            arg.hide_env_values(true).hide_short_help(!is_common).allow_negative_numbers(takes_value)
        })
        .mut_subcommands(|command| dress(command, common))
}

impl<C> Invocation<C> {
    /// The selected subcommand and its matches.
    fn leaf(&self) -> (&Command, &ArgMatches) {
        let (mut command, mut matches) = (&self.command, &self.matches);
        while let Some((name, below)) = matches.subcommand() {
            let Some(found) = command.find_subcommand(name) else { break };
            (command, matches) = (found, below);
        }
        (command, matches)
    }

    /// Replaces flags in a message with variables, where the value came from the variable.
    pub fn name_variables(&self, message: &str) -> String {
        let (command, matches) = self.leaf();
        command.get_arguments().filter_map(|arg| Some((arg, variable(arg, matches)?))).fold(
            message.to_owned(),
            |message, (arg, variable)| match arg.get_long() {
                Some(long) => replace_flag(&message, &format!("--{long}"), &variable),
                None => message,
            },
        )
    }

    /// Warnings about unknown variables that begin with `KINOTEKA_`, with a suggestion. `others` are those of other
    /// programs. With `only_near`, a name that resembles no known one is skipped.
    pub fn unknown_variables(&self, others: &[&str], only_near: bool) -> Vec<String> {
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        environment::unknown(names, &self.command, others, only_near)
    }
}

/// The variable that set an argument.
fn variable(arg: &Arg, matches: &ArgMatches) -> Option<String> {
    let is_variable = matches.try_contains_id(arg.get_id().as_str()).unwrap_or_default()
        && matches.value_source(arg.get_id().as_str()) == Some(ValueSource::EnvVariable);
    if is_variable { environment::source(arg.get_env()?).map(|name| text(&name)) } else { None }
}

fn text(name: &OsStr) -> String {
    name.to_string_lossy().into_owned()
}

/// Replaces a flag that is a whole word.
fn replace_flag(message: &str, flag: &str, name: &str) -> String {
    let mut parts = message.split(flag);
    let mut replaced = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let goes_on = part.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '-');
        replaced.push_str(if goes_on { flag } else { name });
        replaced.push_str(part);
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::replace_flag;

    #[test]
    fn only_whole_flags_are_replaced() {
        let replace = |message| replace_flag(message, "--listen", "KINOTEKA_LISTEN");
        assert_eq!(replace("choose another --listen, or --listen-x"), "choose another KINOTEKA_LISTEN, or --listen-x");
        assert_eq!(replace("--listen"), "KINOTEKA_LISTEN");
        assert_eq!(replace("--metrics-listen"), "--metrics-listen");
    }
}
