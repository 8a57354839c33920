//! Values of variables from JSON, counted while they are read: what is too much never becomes a tree.

use std::fmt;

use async_graphql::indexmap::IndexMap;
use async_graphql::{Name, Value, Variables};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use serde_json::value::RawValue;

use super::refusal::Refusal;
use super::size::count_text;

/// Levels of lists and objects that are read. A limit for less is checked where paths can be named.
const NESTING_MAX: u64 = 100;

/// Counts the values of a request.
pub(super) struct Counter {
    max: u64,
    left: u64,
    /// Why reading has stopped.
    refusal: Option<Refusal>,
}

impl Counter {
    /// For a request that may have `max` values.
    pub(super) fn new(max: u64) -> Self {
        Self { max, left: max, refusal: None }
    }

    /// Reads variables, an object.
    ///
    /// # Errors
    /// There are more than may be, or they cannot be read.
    pub(super) fn read(&mut self, json: &RawValue) -> Result<Variables, Refusal> {
        let mut deserializer = serde_json::Deserializer::from_str(json.get());
        let seed = Seed { counter: &mut *self, level: 0 };
        let read = seed.deserialize(&mut deserializer);
        match (read, self.refusal.take()) {
            (_, Some(refusal)) => Err(refusal),
            (Ok(value), None) => Ok(Variables::from_value(value)),
            (Err(error), None) => Err(Refusal::unreadable("variables", &error)),
        }
    }

    fn take(&mut self, values: u64) -> bool {
        let left = self.left.checked_sub(values);
        if left.is_none() {
            let (max, found) = (self.max, format!("more than {}", self.max));
            self.refusal = Some(Refusal::large_input("limit-input-values", "variables", found, "values", max));
        }
        self.left = left.unwrap_or_default();
        left.is_some()
    }
}

/// Reads one value.
struct Seed<'c> {
    counter: &'c mut Counter,
    level: u64,
}

impl Seed<'_> {
    fn count<E: Error>(&mut self, values: u64, value: Value) -> Result<Value, E> {
        if self.counter.take(values) { Ok(value) } else { Err(E::custom("too many values")) }
    }

    /// For what is within a list or an object.
    fn within<E: Error>(&mut self) -> Result<u64, E> {
        if self.level >= NESTING_MAX {
            let message = format!("nests more than {NESTING_MAX} levels");
            self.counter.refusal = Some(Refusal::input("variables", &message));
            return Err(E::custom("too deep"));
        }
        Ok(self.level + 1)
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value of JSON")
    }

    fn visit_unit<E: Error>(mut self) -> Result<Value, E> {
        self.count(1, Value::Null)
    }

    fn visit_bool<E: Error>(mut self, value: bool) -> Result<Value, E> {
        self.count(1, Value::Boolean(value))
    }

    fn visit_i64<E: Error>(mut self, value: i64) -> Result<Value, E> {
        self.count(1, Value::Number(value.into()))
    }

    fn visit_u64<E: Error>(mut self, value: u64) -> Result<Value, E> {
        self.count(1, Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(mut self, value: f64) -> Result<Value, E> {
        self.count(1, Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.visit_string(value.to_owned())
    }

    fn visit_string<E: Error>(mut self, value: String) -> Result<Value, E> {
        self.count(count_text(&value), Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Value, A::Error> {
        self.count::<A::Error>(1, Value::Null)?;
        let level = self.within()?;
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(Seed { counter: &mut *self.counter, level })? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut object: A) -> Result<Value, A::Error> {
        self.count::<A::Error>(1, Value::Null)?;
        let level = self.within()?;
        let mut fields = IndexMap::new();
        while let Some(name) = object.next_key::<String>()? {
            let field = object.next_value_seed(Seed { counter: &mut *self.counter, level })?;
            fields.insert(Name::new(name), field);
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;

    fn read(json: &str, max: u64) -> Result<String, String> {
        let raw: &RawValue = serde_json::from_str(json).unwrap();
        let read = Counter::new(max).read(raw);
        read.map(|variables| serde_json::to_string(&variables).unwrap()).map_err(|refusal| refusal.error.message)
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
            let whole: serde_json::Value = serde_json::from_str(json).unwrap();
            let found: serde_json::Value = serde_json::from_str(&read(json, values).unwrap()).unwrap();
            assert_eq!(found, whole);
            let refused = read(json, values - 1).unwrap_err();
            assert!(refused.contains(&format!("more than {} values", values - 1)), "{refused}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let nested = |depth: usize| format!(r#"{{"a":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        assert!(read(&nested(99), 1_000).is_ok());
        assert!(read(&nested(100), 1_000).unwrap_err().contains("nests more than 100 levels"));
        assert!(read(&nested(100_000), 1_000).unwrap_err().contains("nests more than 100 levels"));
        for json in [r#"{"a":1e999}"#, r#"{"a":"\ud800"}"#] {
            assert!(read(json, 10).unwrap_err().starts_with("variables: "), "{json}");
        }
    }
}
