//! Explains an invalid value: names the flag or variable, and says what is valid.

use std::error::Error as _;
use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, Error};

use super::{environment, text};

/// Rewrites an error of clap.
pub(crate) fn explain(error: Error, command: &Command, arguments: &[OsString]) -> Error {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => Some(texts.join(", ")),
        _ => None,
    };
    let (Some(argument), Some(value)) = (context(ContextKind::InvalidArg), context(ContextKind::InvalidValue)) else {
        return error;
    };
    let reason = match error.kind() {
        ErrorKind::ValueValidation => error.source().map(ToString::to_string),
        ErrorKind::InvalidValue if !value.is_empty() => {
            context(ContextKind::ValidValue).map(|values| format!("must be one of: {values}"))
        }
        _ => None,
    };
    let Some(reason) = reason else { return error };
    let flag = argument.split([' ', '=']).next().unwrap_or_default();
    let name = match find(command, flag.trim_start_matches("--")) {
        Some(arg) if !is_given(flag, arguments) => arg.get_env().and_then(environment::source).map(|name| text(&name)),
        _ => None,
    };
    let message =
        format!("{}: {value:?} {reason}\n\nFor more information, try '--help'.\n", name.as_deref().unwrap_or(flag));
    Error::raw(error.kind(), message)
}

/// The first argument with this name, in the command or its subcommands.
fn find<'a>(command: &'a Command, long: &str) -> Option<&'a Arg> {
    let here = command.get_arguments().find(|arg| arg.get_long() == Some(long));
    here.or_else(|| command.get_subcommands().find_map(|command| find(command, long)))
}

/// Whether a flag is on the command line.
fn is_given(flag: &str, arguments: &[OsString]) -> bool {
    arguments
        .iter()
        .any(|argument| text(argument).strip_prefix(flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('=')))
}
