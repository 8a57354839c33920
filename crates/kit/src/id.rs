//! Typed ids of rows, and their opaque GraphQL form.
//!
//! The form is base64url (RFC 4648, no padding) of `Type:key`, as in Relay servers.

use std::any::type_name;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

use async_graphql::ID;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use request::error::{ApiError, ApiResult};
use sea_orm::{ColIdx, QueryResult, TryGetError, TryGetable};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A GraphQL type with ids.
pub trait NodeType: 'static {
    /// The type's name in the schema, which is a part of its ids.
    const TYPE: &'static str;
}

/// The primary key of a row that the schema shows as `N`.
pub struct Id<N>(i32, PhantomData<fn() -> N>);

impl<N> Id<N> {
    /// The id of the row with this primary key.
    pub fn new(key: i32) -> Self {
        Self(key, PhantomData)
    }

    /// The row's primary key.
    pub fn key(self) -> i32 {
        self.0
    }
}

impl<N: NodeType> Id<N> {
    /// Parses the id that a client passed as argument `field`.
    ///
    /// # Errors
    /// `BadInput` if it is malformed or of another type.
    pub fn parse(field: &str, id: &ID) -> ApiResult<Self> {
        let Some((type_name, key)) = split(id) else {
            return Err(ApiError::bad_input(field, "is not a valid id; pass an id that a query returned"));
        };
        if type_name != N::TYPE {
            return Err(ApiError::bad_input(
                field,
                format!("is the id of a {type_name}; pass the id of a {}", N::TYPE),
            ));
        }
        Ok(Self::new(key))
    }

    /// The opaque form that clients see.
    pub fn encode(self) -> String {
        encode(N::TYPE, self.0)
    }
}

/// The opaque id of the row with this key, shown as this type.
pub fn encode(type_name: &str, key: i32) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!("{type_name}:{key}"))
}

/// The opaque id of an object that has a name instead of a number.
pub fn encode_name(type_name: &str, name: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!("{type_name}:{name}"))
}

/// The maximum length of an id in bytes. The longest type name has 20.
const ID_BYTES_MAX: usize = 64;

/// The type's name and the key in an opaque id. `None` unless `id` is exactly what `encode` returns.
pub fn split(id: &str) -> Option<(String, i32)> {
    if id.len() > ID_BYTES_MAX {
        return None;
    }
    let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(id).ok()?).ok()?;
    let (type_name, digits) = text.split_once(':')?;
    let key: i32 = digits.parse().ok()?;
    let canonical = key > 0 && digits == key.to_string() && type_name.chars().all(|c| c.is_ascii_alphabetic());
    (canonical && !type_name.is_empty()).then(|| (type_name.to_owned(), key))
}

// Derives would require the traits of `N`, which is only a marker here.
impl<N> Clone for Id<N> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<N> Copy for Id<N> {}
impl<N> PartialEq for Id<N> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<N> Eq for Id<N> {}
impl<N> Hash for Id<N> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}
impl<N> fmt::Debug for Id<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", type_name::<N>(), self.0)
    }
}

impl<N> TryGetable for Id<N> {
    fn try_get_by<I: ColIdx>(row: &QueryResult, index: I) -> Result<Self, TryGetError> {
        i32::try_get_by(row, index).map(Self::new)
    }
}

/// Only the key: for stored outcomes.
impl<N> Serialize for Id<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}
impl<'de, N> Deserialize<'de> for Id<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        i32::deserialize(deserializer).map(Self::new)
    }
}

/// The opaque form, for conversion to `ID`.
impl<N: NodeType> fmt::Display for Id<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.encode())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Film;
    impl NodeType for Film {
        const TYPE: &'static str = "Film";
    }

    proptest! {
        #[test]
        fn encoded_id_parses_to_itself(key in 1..=i32::MAX) {
            let id = Id::<Film>::new(key);
            prop_assert!(Id::<Film>::parse("id", &ID(id.encode())).is_ok_and(|parsed| parsed == id));
        }

        #[test]
        fn arbitrary_text_is_refused_or_canonical(text in ".{0,40}") {
            if let Some((type_name, key)) = split(&text) {
                prop_assert_eq!(BASE64_URL_SAFE_NO_PAD.encode(format!("{type_name}:{key}")), text);
            }
        }
    }

    #[test]
    fn near_misses_are_refused() {
        for text in ["Film:0", "Film:-1", "Film:+1", "Film:01", "Film:2147483648", "Film:", ":1", "Film", "Film:1:1"] {
            assert_eq!(split(&BASE64_URL_SAFE_NO_PAD.encode(text)), None, "{text}");
        }
        assert_eq!(split("Film:1"), None, "not encoded");
    }
}
