//! Readers that accept every spelling seen of the same value.

use super::Headers;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Deserializer};

#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Integer(i64),
    Float(f64),
    Text(String),
    Other(serde::de::IgnoredAny),
}

/// A number or its text; anything else is none.
pub fn number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    #[expect(clippy::cast_possible_truncation, reason = "a float too large for a time is no time; the cast saturates")]
    Ok(match Option::<Number>::deserialize(from)? {
        Some(Number::Integer(value)) => Some(value),
        Some(Number::Float(value)) => Some(value as i64),
        Some(Number::Text(text)) => text.trim().parse().ok(),
        Some(Number::Other(_)) | None => None,
    })
}

/// The same, where 0 means absent.
pub fn non_zero<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    Ok(number(from)?.filter(|value| *value != 0))
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
    Other(serde::de::IgnoredAny),
}

impl OneOrMany {
    fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(value) => vec![value],
            Self::Many(values) => values,
            Self::Other(_) => Vec::new(),
        }
    }
}

/// `{"Name": "value"}` or `{"Name": ["value"]}`; null is empty.
pub fn headers<'de, D: Deserializer<'de>>(from: D) -> Result<Headers, D::Error> {
    let map = Option::<std::collections::BTreeMap<String, OneOrMany>>::deserialize(from)?;
    Ok(map.unwrap_or_default().into_iter().map(|(name, values)| (name, values.into_vec())).collect())
}

/// A list, or one value for a list of one; null is empty.
pub fn list<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::<OneOrMany>::deserialize(from)?.map(OneOrMany::into_vec).unwrap_or_default())
}

/// Text, where empty means absent.
pub fn non_empty<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.filter(|text| !text.is_empty()))
}

/// A body given either as text or as base64.
pub fn bytes(text: Option<&str>, base64: Option<&str>) -> Option<Bytes> {
    match (base64, text) {
        (Some(encoded), _) => STANDARD.decode(encoded).ok().map(Bytes::from),
        (None, text) => text.map(|text| Bytes::copy_from_slice(text.as_bytes())),
    }
}

/// Base64 both ways; what cannot be decoded (a cut body) reads as none.
pub mod encoded {
    use super::{Bytes, Deserialize, Deserializer, Engine, STANDARD};
    use serde::Serializer;

    #[expect(clippy::ref_option, reason = "the signature serde asks for")]
    pub fn serialize<S: Serializer>(value: &Option<Bytes>, to: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(bytes) => to.serialize_str(&STANDARD.encode(bytes)),
            None => to.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Bytes>, D::Error> {
        Ok(Option::<String>::deserialize(from)?.and_then(|text| STANDARD.decode(text).ok()).map(Bytes::from))
    }
}
