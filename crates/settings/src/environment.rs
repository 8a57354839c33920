//! Environment variables: which one sets an argument, and which are unknown.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};

use clap::Command;
use clap::builder::Resettable;

use super::text;

const PREFIX: &str = "KINOTEKA_";

/// The minimum similarity of two names, from 0 to 1, for a suggestion.
const NEAR_MIN: f64 = 0.7;

/// Makes every argument read the variable that is set. An empty variable counts as unset.
pub(crate) fn apply(command: Command) -> Command {
    command
        .mut_args(|arg| match arg.get_env().map(source) {
            None => arg,
            Some(None) => arg.env(Resettable::Reset),
            // Leaked once for each argument of the process: clap requires static names.
            Some(Some(name)) => arg.env(&*text(&name).leak()),
        })
        .mut_subcommands(apply)
}

/// The variable that is set, of those that `name` may have.
pub(crate) fn source(name: &OsStr) -> Option<OsString> {
    let is_set = |name: &OsString| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    names(&name.to_string_lossy()).into_iter().map(OsString::from).find(is_set)
}

/// The names of a variable, in order of precedence. A variable that other programs use too, such as `DATABASE_URL`,
/// also works with our prefix.
fn names(name: &str) -> Vec<String> {
    match name.starts_with(PREFIX) {
        true => vec![name.to_owned()],
        false => vec![format!("{PREFIX}{name}"), name.to_owned()],
    }
}

/// A warning for each of these variables that nothing reads.
pub(crate) fn unknown(
    names: impl Iterator<Item = String>,
    command: &Command,
    others: &[&str],
    only_near: bool,
) -> Vec<String> {
    let mut known = BTreeSet::new();
    collect(command, &mut known);
    let is_known = |name: &String| known.contains(name) || others.contains(&name.as_str()) || is_of_kubernetes(name);
    let mut unknown: Vec<_> = names.filter(|name| name.starts_with(PREFIX) && !is_known(name)).collect();
    unknown.sort_unstable();
    let warn = |name: String| match nearest(&name, &known) {
        Some(near) => Some(format!("the environment variable {name} is unknown and ignored; did you mean {near}?")),
        None if only_near => None,
        None => Some(format!("the environment variable {name} is unknown and ignored; --help lists the known ones")),
    };
    unknown.into_iter().filter_map(warn).collect()
}

fn collect(command: &Command, known: &mut BTreeSet<String>) {
    let variables = command.get_arguments().filter_map(|arg| arg.get_env());
    known.extend(variables.flat_map(|name| names(&name.to_string_lossy())));
    command.get_subcommands().for_each(|command| collect(command, known));
}

/// Kubernetes sets these variables in every container if there is a service named `kinoteka`.
fn is_of_kubernetes(name: &str) -> bool {
    name == "KINOTEKA_PORT" || name.starts_with("KINOTEKA_PORT_") || name.starts_with("KINOTEKA_SERVICE_")
}

fn nearest<'a>(name: &str, known: &'a BTreeSet<String>) -> Option<&'a String> {
    let likeness = |known: &String| {
        let (name, known) = (name.trim_start_matches(PREFIX), known.trim_start_matches(PREFIX));
        strsim::normalized_damerau_levenshtein(name, known)
    };
    let all = known.iter().filter(|known| known.starts_with(PREFIX)).map(|known| (likeness(known), known));
    all.max_by(|left, right| left.0.total_cmp(&right.0))
        .filter(|(likeness, _)| *likeness >= NEAR_MIN)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use clap::Arg;

    use super::*;

    #[test]
    fn near_names_are_suggested_and_kubernetes_is_skipped() {
        let below = Command::new("serve").arg(Arg::new("listen").env("KINOTEKA_LISTEN"));
        let command = Command::new("test").arg(Arg::new("url").env("DATABASE_URL")).subcommand(below);
        let warned =
            |name: &str, only_near| unknown([name.to_owned()].into_iter(), &command, &["KINOTEKA_URL"], only_near);
        for (name, near) in [("KINOTEKA_LISTN", "KINOTEKA_LISTEN?"), ("KINOTEKA_DATABSE_URL", "KINOTEKA_DATABASE_URL?")]
        {
            for only_near in [true, false] {
                let warned = warned(name, only_near);
                assert!(warned.len() == 1 && warned[0].ends_with(near), "{warned:?}");
            }
        }
        for name in [
            "KINOTEKA_LISTEN",
            "KINOTEKA_DATABASE_URL",
            "KINOTEKA_URL",
            "KINOTEKA_PORT",
            "KINOTEKA_SERVICE_HOST",
            "LISTN",
        ] {
            assert_eq!(warned(name, false), [""; 0], "{name}");
        }
        assert_eq!(warned("KINOTEKA_SHOE_SIZE", true), [""; 0]);
        assert!(warned("KINOTEKA_SHOE_SIZE", false)[0].contains("--help"));
    }
}
