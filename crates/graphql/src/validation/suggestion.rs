//! Names that a client may have meant.

use super::Validator;

/// Maximum number of names in one suggestion.
const NAMES_MAX: usize = 3;

/// Maximum number of violations with suggestions: each compares with all known names.
const VIOLATIONS_MAX: usize = 10;

/// The longest name that is compared, in bytes.
const LENGTH_MAX: usize = 64;

impl Validator<'_> {
    /// ` Did you mean ...?`, if the schema has similar names, and suggests them.
    pub(super) fn suggest<'n>(&self, given: &str, known: impl Iterator<Item = &'n str>) -> String {
        if !self.schema.suggests_names() || self.broken.len() >= VIOLATIONS_MAX || given.len() > LENGTH_MAX {
            return String::new();
        }
        let lower = given.to_lowercase();
        // The same distance as in graphql-js.
        let distance_max = given.len() * 2 / 5 + 1;
        let near = known.filter_map(|name| {
            let distance = strsim::osa_distance(&lower, &name.to_lowercase());
            (distance <= distance_max).then_some((distance, name))
        });
        let mut near: Vec<_> = near.collect();
        near.sort_unstable();
        let names: Vec<_> = near.iter().take(NAMES_MAX).map(|(_, name)| format!("`{name}`")).collect();
        match names.split_last() {
            None => String::new(),
            Some((only, [])) => format!(" Did you mean {only}?"),
            Some((last, others)) => format!(" Did you mean {} or {last}?", others.join(", ")),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use crate::error::DocumentLimits;
    use crate::schema::Schema;
    use crate::{parse, validate};

    const SDL: &str = "type Query { movie(id: ID, filter: Filter, by: Order): Movie movies: [Movie] person: Movie }
        type Movie { title: String } input Filter { year: Int } enum Order { NEWEST OLDEST }";

    #[test]
    fn similar_names_are_suggested() {
        let schema = Schema::from_sdl(SDL).unwrap();
        let plain = Schema::from_sdl(SDL).unwrap();
        let schema = schema.with_suggestions();
        for (query, suggestion) in [
            ("{ moviez { title } }", " Did you mean `movie` or `movies`?"),
            ("{ movie { titel } }", " Did you mean `title`?"),
            ("{ movie(ID: 1) { title } }", " Did you mean `id`?"),
            ("{ movie(filter: {yaer: 1}) { title } }", " Did you mean `year`?"),
            ("{ movie(by: NEWST) { title } }", " Did you mean `NEWEST`?"),
            ("{ movie @skp(if: true) { title } }", " Did you mean `@skip`?"),
            ("{ movie { ...F } } fragment F on Movi { title }", " Did you mean `Movie`?"),
            ("query($f: Fliter) { movie(filter: $f) { title } }", " Did you mean `Filter`?"),
            ("{ cinema { title } }", ""),
        ] {
            let document = parse(query, DocumentLimits::NONE).unwrap();
            let message = |schema| validate(schema, &document, &DocumentLimits::NONE).unwrap_err().to_string();
            assert_eq!(message(&schema), message(&plain) + suggestion, "{query}");
        }
    }
}
