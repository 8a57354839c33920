//! Values of variables from JSON, counted while they are read: an input over a limit is never built in memory.

use std::fmt;

use graphql::Inputs;
use graphql::input::values_of_text;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Number, Value as Json};

use super::bounds::Bounds;
use super::refusal::Refusal;

/// Reads the variables of a request.
pub(super) struct Reader {
    bounds: Bounds,
    /// The number of values that the request may still have.
    left: u64,
    /// Why reading has stopped.
    refusal: Option<Refusal>,
}

/// The position of a value.
#[derive(Clone, Copy)]
enum JsonPath<'p> {
    Root,
    Field(&'p Self, &'p str),
    Item(&'p Self, usize),
}

impl fmt::Display for JsonPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("variables"),
            Self::Field(of, name) => write!(f, "{of}.{name}"),
            Self::Item(of, i) => write!(f, "{of}.{i}"),
        }
    }
}

impl Reader {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { bounds, left: bounds.values, refusal: None }
    }

    /// Reads variables, an object.
    ///
    /// # Errors
    /// They exceed a limit, or cannot be read.
    pub(super) fn read(&mut self, json: &RawValue) -> Result<Inputs, Refusal> {
        let mut deserializer = serde_json::Deserializer::from_str(json.get());
        let seed = Seed { reader: &mut *self, path: JsonPath::Root, level: 0 };
        let read = seed.deserialize(&mut deserializer);
        match (read, self.refusal.take()) {
            (_, Some(refusal)) => Err(refusal),
            (Ok(Json::Object(inputs)), None) => Ok(inputs),
            (Ok(_), None) => Err(Refusal::parameter("variables", "must be an object")),
            (Err(error), None) => Err(Refusal::unreadable("variables", &error)),
        }
    }

    fn take(&mut self, values: u64) -> bool {
        let left = self.left.checked_sub(values);
        if left.is_none() {
            self.refusal = Some(Refusal::large_input("limit-input-values", "variables", "values", self.bounds.values));
        }
        self.left = left.unwrap_or_default();
        left.is_some()
    }
}

/// Reads one value.
struct Seed<'r, 'p> {
    reader: &'r mut Reader,
    path: JsonPath<'p>,
    level: u64,
}

impl Seed<'_, '_> {
    fn count<E: Error>(&mut self, values: u64, value: Json) -> Result<Json, E> {
        if self.reader.take(values) { Ok(value) } else { Err(E::custom("too many values")) }
    }

    /// Begins a list or an object.
    fn enter<E: Error>(&mut self) -> Result<(), E> {
        self.count::<E>(1, Json::Null)?;
        let max = self.reader.bounds.nesting;
        if self.level > max {
            return Err(self.stop("limit-nesting", "levels of nesting", max));
        }
        Ok(())
    }

    fn stop<E: Error>(&mut self, limit: &'static str, what: &str, max: u64) -> E {
        self.reader.refusal = Some(Refusal::large_input(limit, &self.path.to_string(), what, max));
        E::custom("too large")
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_, '_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_, '_> {
    type Value = Json;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value of JSON")
    }

    fn visit_unit<E: Error>(mut self) -> Result<Json, E> {
        self.count(1, Json::Null)
    }

    fn visit_bool<E: Error>(mut self, value: bool) -> Result<Json, E> {
        self.count(1, Json::Bool(value))
    }

    fn visit_i64<E: Error>(mut self, value: i64) -> Result<Json, E> {
        self.count(1, Json::Number(value.into()))
    }

    fn visit_u64<E: Error>(mut self, value: u64) -> Result<Json, E> {
        self.count(1, Json::Number(value.into()))
    }

    fn visit_f64<E: Error>(mut self, value: f64) -> Result<Json, E> {
        self.count(1, Number::from_f64(value).map_or(Json::Null, Json::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Json, E> {
        self.visit_string(value.to_owned())
    }

    fn visit_string<E: Error>(mut self, value: String) -> Result<Json, E> {
        self.count(values_of_text(&value), Json::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Json, A::Error> {
        self.enter::<A::Error>()?;
        let (path, level, max) = (self.path, self.level + 1, self.reader.bounds.list_items);
        let mut items = Vec::new();
        loop {
            let path = JsonPath::Item(&path, items.len());
            let Some(item) = list.next_element_seed(Seed { reader: &mut *self.reader, path, level })? else { break };
            items.push(item);
            if items.len() as u64 > max {
                return Err(self.stop("limit-list-items", "items", max));
            }
        }
        Ok(Json::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut object: A) -> Result<Json, A::Error> {
        self.enter::<A::Error>()?;
        let (path, level, max) = (self.path, self.level + 1, self.reader.bounds.input_fields);
        let mut fields = Inputs::new();
        while let Some(name) = object.next_key::<String>()? {
            if fields.contains_key(&name) {
                let place = JsonPath::Field(&path, &name).to_string();
                self.reader.refusal = Some(Refusal::value(&place, "occurs twice"));
                return Err(A::Error::custom("twice"));
            }
            let seed = Seed { reader: &mut *self.reader, path: JsonPath::Field(&path, &name), level };
            let field = object.next_value_seed(seed)?;
            fields.insert(name, field);
            if fields.len() as u64 > max {
                return Err(self.stop("limit-input-fields", "fields", max));
            }
        }
        Ok(Json::Object(fields))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { batch: 0, values: 1_000, nesting: 60, list_items: 3, input_fields: 7 };

    fn read(json: &str, bounds: Bounds) -> Result<Inputs, String> {
        let raw: &RawValue = serde_json::from_str(json).unwrap();
        Reader::new(bounds).read(raw).map_err(|refusal| refusal.errors[0].message.clone())
    }

    #[test]
    fn values_are_read_and_counted() {
        let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(512));
        for (json, values) in [
            ("{}", 1),
            (r#"{"a":null,"b":true,"c":-1,"d":18446744073709551615,"e":1.5,"f":"\u00e4\n"}"#, 7),
            (r#"{"a":[],"b":[1,[2]],"c":{"d":{}}}"#, 8),
            (&long, 4),
        ] {
            let whole: Json = serde_json::from_str(json).unwrap();
            assert_eq!(Json::Object(read(json, Bounds { values, ..BOUNDS }).unwrap()), whole);
            let refused = read(json, Bounds { values: values - 1, ..BOUNDS }).unwrap_err();
            assert!(refused.contains(&format!("more than {} values", values - 1)), "{refused}");
        }
    }

    #[test]
    fn large_inputs_are_refused_with_their_path() {
        let nested = |depth: usize| format!(r#"{{"a":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        assert!(read(&nested(60), BOUNDS).is_ok());
        for depth in [61, 100_000] {
            let refused = read(&nested(depth), BOUNDS).unwrap_err();
            assert!(refused.starts_with("variables.a.0.0") && refused.contains("more than 60 levels"), "{refused}");
        }
        for (json, text) in [
            (r#"{"a":{"b":[0,[1,2,3,4]]}}"#, "variables.a.b.1: has more than 3 items"),
            (r#"{"a":[{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1}]}"#, "variables.a.0: has more than 7 fields"),
            (r#"{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1}"#, "variables: has more than 7 fields"),
        ] {
            assert_eq!(read(json, BOUNDS).unwrap_err(), text);
        }
    }

    #[test]
    fn unreadable_inputs_are_refused() {
        for json in [r#"{"a":1e999}"#, r#"{"a":"\ud800"}"#, r#"{"\ud800":1}"#] {
            assert!(read(json, BOUNDS).unwrap_err().starts_with("variables: has a number out of range or"), "{json}");
        }
        assert_eq!(read(r#"{"a":[{"b":1,"b":1}]}"#, BOUNDS).unwrap_err(), "variables.a.0.b: occurs twice");
    }
}
