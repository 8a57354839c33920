//! The effective settings and their sources.

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches};
use url::Url;

use super::{Invocation, variable};

/// An effective setting.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The heading of its flag in `--help`.
    pub heading: String,
    /// The flag, without leading dashes.
    pub flag: String,
    /// The value, if any. Passwords are hidden.
    pub value: Option<String>,
    /// Its source: the flag, a variable, or the default.
    pub source: String,
}

/// The replacement for a secret.
const HIDDEN: &str = "***";

impl<C> Invocation<C> {
    /// The settings of the selected command, in the order of `--help`.
    pub fn settings(&self) -> Vec<Setting> {
        let (command, matches) = self.leaf();
        let flags = command.get_arguments().filter_map(|arg| Some((arg, arg.get_long()?)));
        flags
            .filter(|(arg, _)| arg.get_env().is_some())
            .map(|(arg, long)| Setting {
                heading: arg.get_help_heading().unwrap_or("Options").to_owned(),
                flag: long.to_owned(),
                value: value(arg, matches),
                source: source(arg, matches),
            })
            .collect()
    }
}

fn value(arg: &Arg, matches: &ArgMatches) -> Option<String> {
    let values = matches.get_raw(arg.get_id().as_str())?;
    let all: Vec<_> = values.map(|value| value.to_string_lossy().into_owned()).collect();
    let text = all.join(",");
    // In the program's definition, this marks a secret.
    Some(if arg.is_hide_env_values_set() { hide(&text) } else { text })
}

fn source(arg: &Arg, matches: &ArgMatches) -> String {
    match matches.value_source(arg.get_id().as_str()) {
        Some(ValueSource::CommandLine) => "flag".to_owned(),
        Some(ValueSource::EnvVariable) => variable(arg, matches).unwrap_or_default(),
        _ => "default".to_owned(),
    }
}

/// Hides a secret. In a URL, only the passwords are hidden.
fn hide(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else { return HIDDEN.to_owned() };
    let is_secret = |name: &str| name.to_ascii_lowercase().contains("password");
    let shown: Vec<(String, String)> = url
        .query_pairs()
        .map(|(name, value)| {
            let value = if is_secret(&name) { HIDDEN.into() } else { value };
            (name.into_owned(), value.into_owned())
        })
        .collect();
    let has_secret = shown.iter().any(|(name, _)| is_secret(name));
    if url.password().is_none() && !has_secret {
        return text.to_owned();
    }
    if url.password().is_some() && url.set_password(Some(HIDDEN)).is_err() {
        return HIDDEN.to_owned();
    }
    if has_secret {
        url.query_pairs_mut().clear().extend_pairs(shown);
    }
    url.into()
}

#[cfg(test)]
mod tests {
    use super::hide;

    #[test]
    fn passwords_of_urls_are_hidden() {
        for (url, shown) in [
            ("postgres://anna:secret@localhost/x", "postgres://anna:***@localhost/x"),
            ("postgres://anna@localhost/x?sslmode=require", "postgres://anna@localhost/x?sslmode=require"),
            ("postgres://localhost/x?password=secret&user=anna", "postgres://localhost/x?password=***&user=anna"),
            ("sqlite://kinoteka.db?mode=rwc", "sqlite://kinoteka.db?mode=rwc"),
            ("secret", "***"),
        ] {
            assert_eq!(hide(url), shown);
        }
    }
}
