//! The parameters of a seed. The database stores them, so that only the same seed continues.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::SeedOptions;
use crate::sizes::Sizes;

/// Everything that determines the rows of a seed.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Parameters {
    rng_seed: u64,
    load_accounts: Option<u32>,
    #[serde(flatten)]
    sizes: Sizes,
}

impl Parameters {
    /// The parameters of some options.
    pub fn of(options: &SeedOptions) -> Self {
        Self { rng_seed: options.rng_seed, load_accounts: options.demo_accounts, sizes: options.sizes }
    }

    /// The stored form.
    pub fn to_text(&self) -> String {
        Value::Object(self.flags()).to_string()
    }

    /// Reads the stored form; `None` if another program wrote it.
    pub fn from_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The differences from other parameters, flag by flag.
    pub fn differences(&self, other: &Self) -> String {
        let requested = other.flags();
        let different: Vec<_> = self
            .flags()
            .into_iter()
            .filter(|(name, value)| requested.get(name) != Some(value))
            .map(|(name, value)| match requested.get(&name) {
                Some(requested) => format!("{}, not {requested}", flag(&name, &value)),
                None => flag(&name, &value),
            })
            .collect();
        different.join(", ")
    }

    fn flags(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(flags)) => flags,
            _ => Map::new(),
        }
    }
}

impl fmt::Display for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags: Vec<_> = self.flags().iter().map(|(name, value)| flag(name, value)).collect();
        f.write_str(&flags.join(" "))
    }
}

/// A parameter as a command-line flag.
fn flag(name: &str, value: &Value) -> String {
    match (name, value) {
        ("load_accounts", Value::Null) => "no --with-demo-accounts".to_owned(),
        ("load_accounts", count) => format!("--with-demo-accounts --load-accounts {count}"),
        _ => format!("--{} {value}", name.replace('_', "-")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_reads_back() {
        let parameters = Parameters::of(&SeedOptions { rng_seed: u64::MAX, ..SeedOptions::default() });
        assert_eq!(Parameters::from_text(&parameters.to_text()), Some(parameters));
        assert_eq!(Parameters::from_text("{}"), None);
    }

    #[test]
    fn differences_are_named_by_their_flags() {
        let began = Parameters::of(&SeedOptions::default());
        let sizes = Sizes { movies: 7, ..Sizes::demo() };
        let requested = Parameters::of(&SeedOptions { sizes, demo_accounts: Some(3), ..SeedOptions::default() });
        assert_eq!(began.differences(&requested), "no --with-demo-accounts, not 3, --movies 500, not 7");
    }
}
