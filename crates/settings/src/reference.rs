//! All flags and variables of a program as Markdown.

use std::error::Error as _;
use std::fmt::Write as _;

use clap::{Arg, Command};

use super::text;

/// Describes the command `main` with all its flags, then the other commands with the flags that `main` lacks.
pub fn reference(command: &Command, main: &str) -> String {
    let mut written = String::new();
    let Some(first) = command.find_subcommand(main) else { return written };
    let program = command.get_name();
    // Writing to a string cannot fail.
    let _ = writeln!(written, "## {program} {main}\n\n{}", about(first));
    for heading in headings(first) {
        let _ = writeln!(written, "\n### {heading}\n");
        let args = first.get_arguments().filter(|arg| arg.get_help_heading().unwrap_or(OTHER) == heading);
        table(&mut written, first, args);
    }
    let _ = writeln!(written, "\n## Other commands of {program}");
    commands(&mut written, command, program, Some(first));
    written
}

/// Describes all commands with their flags.
pub fn reference_of_commands(command: &Command) -> String {
    let mut written = format!("## {}\n\n{}\n", command.get_name(), about(command));
    commands(&mut written, command, command.get_name(), None);
    written
}

/// The heading of flags without one.
const OTHER: &str = "Other";

fn headings(command: &Command) -> Vec<&str> {
    let mut headings = Vec::new();
    for arg in command.get_arguments().filter(|arg| is_own(arg)) {
        let heading = arg.get_help_heading().unwrap_or(OTHER);
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    headings
}

fn commands(written: &mut String, command: &Command, path: &str, main: Option<&Command>) {
    let is_other =
        |below: &&Command| main.is_none_or(|main| below.get_name() != main.get_name()) && !below.is_hide_set();
    for below in command.get_subcommands().filter(is_other) {
        let path = format!("{path} {}", below.get_name());
        if below.has_subcommands() {
            commands(written, below, &path, main);
            continue;
        }
        let _ = writeln!(written, "\n### {path}\n\n{}", about(below));
        let is_same = |known: &&Arg, arg: &Arg| known.get_id() == arg.get_id() && known.get_env() == arg.get_env();
        let main_args = || main.into_iter().flat_map(Command::get_arguments).filter(|arg| is_own(arg));
        let is_known = |arg: &&Arg| main_args().any(|known| is_same(&known, arg));
        let (known, own): (Vec<_>, Vec<_>) = below.get_arguments().filter(|arg| is_own(arg)).partition(is_known);
        if let Some(main) = main.filter(|_| !known.is_empty() && known.len() == main_args().count()) {
            let _ = writeln!(written, "\nIt takes all flags of `{}`.", main.get_name());
        } else if !known.is_empty() {
            let flags: Vec<_> = known.iter().map(|arg| format!("`{}`", name(arg))).collect();
            let _ = writeln!(written, "\nIt also takes {}.", flags.join(", "));
        }
        if !own.is_empty() {
            written.push('\n');
            table(written, below, own.into_iter());
        }
    }
}

/// Excludes `--help`, `--version` and hidden arguments.
fn is_own(arg: &Arg) -> bool {
    !arg.is_hide_set() && !matches!(arg.get_id().as_str(), "help" | "version")
}

fn table<'a>(written: &mut String, command: &Command, args: impl Iterator<Item = &'a Arg>) {
    written.push_str("| flag | variable | default | |\n|---|---|---|---|\n");
    for arg in args.filter(|arg| is_own(arg)) {
        let variable = arg.get_env().map_or_else(String::new, |name| format!("`{}`", text(name)));
        let defaults: Vec<_> = arg.get_default_values().iter().map(|value| text(value)).collect();
        let default = match defaults.join(",") {
            _ if !arg.get_action().takes_values() => "`false`".to_owned(),
            none if none.is_empty() => String::new(),
            default => format!("`{default}`"),
        };
        let _ = writeln!(written, "| `{}` | {variable} | {default} | {} |", name(arg), meaning(command, arg));
    }
}

fn name(arg: &Arg) -> String {
    match arg.get_long() {
        Some(long) => format!("--{long}"),
        None => arg.get_value_names().map_or_else(String::new, |names| names.join(" ")),
    }
}

fn about(command: &Command) -> String {
    let text = command.get_long_about().or_else(|| command.get_about());
    sentence(&text.map_or_else(String::new, ToString::to_string))
}

fn meaning(command: &Command, arg: &Arg) -> String {
    let text = arg.get_long_help().or_else(|| arg.get_help());
    let text = sentence(&text.map_or_else(String::new, ToString::to_string));
    let mut meaning = text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
    let values = arg.get_possible_values();
    if arg.get_action().takes_values() && !values.is_empty() && values.iter().any(|value| value.get_name() != "true") {
        let values: Vec<_> = values.iter().map(|value| format!("`{}`", value.get_name())).collect();
        let _ = write!(meaning, " One of {}.", values.join(", "));
    } else if let Some(bounds) = bounds(command, arg) {
        let _ = write!(meaning, " {bounds}.");
    }
    meaning
}

/// Clap removes the final period of a single sentence.
fn sentence(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() || text.ends_with(['.', '!', '?', ':']) { text.to_owned() } else { format!("{text}.") }
}

/// The range of a numeric argument, taken from its parser's error.
fn bounds(command: &Command, arg: &Arg) -> Option<String> {
    let flag = format!("--{}", arg.get_long()?);
    let error = command.clone().try_get_matches_from([command.get_name(), &flag, "?"]).err()?;
    let told = error.source()?.to_string();
    told.strip_prefix("must be a whole number ").map(|bounds| match bounds.strip_prefix("of ") {
        Some(least) => least[..1].to_uppercase() + &least[1..],
        None => bounds[..1].to_uppercase() + &bounds[1..],
    })
}
