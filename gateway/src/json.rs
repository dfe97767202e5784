//! JSON objects by their top-level fields, without a tree: what nobody looks at is copied as it came.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The fields of an object, in order, their values unparsed.
pub(crate) struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// The last value of a field, as parsers that build a map would keep it; `null` counts as absent.
    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.get()).filter(|it| *it != "null")
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;
        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(16);
                while let Some((Text(key), value)) = access.next_entry()? {
                    fields.push((key, value));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(FieldsVisitor)
    }
}

/// A text that is borrowed where it holds no escapes.
#[derive(serde::Deserialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

/// `object` with fields replaced, or appended where it has none of that name. The changes are names and JSON.
pub(crate) fn patch(object: &[u8], changes: &[(&str, &str)]) -> serde_json::Result<Vec<u8>> {
    reshaped(object, &[], changes)
}

/// As [`patch`], without some fields.
pub(crate) fn reshaped(object: &[u8], gone: &[&str], changes: &[(&str, &str)]) -> serde_json::Result<Vec<u8>> {
    let fields: Fields<'_> = serde_json::from_slice(object)?;
    let grown: usize = changes.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    let mut out = Vec::with_capacity(object.len() + grown);
    out.push(b'{');
    for (key, value) in &fields.0 {
        if changes.iter().all(|(name, _)| name != key) && gone.iter().all(|name| name != key) {
            push(&mut out, key, value.get());
        }
    }
    for (name, value) in changes {
        push(&mut out, name, value);
    }
    out.push(b'}');
    Ok(out)
}

/// A text as JSON.
pub(crate) fn quote(text: &str) -> String {
    serde_json::to_string(text).expect("a string always becomes JSON")
}

fn push(out: &mut Vec<u8>, key: &str, value: &str) {
    if out.len() > 1 {
        out.push(b',');
    }
    serde_json::to_writer(&mut *out, key).expect("a string always becomes JSON, and a Vec takes every byte");
    out.push(b':');
    out.extend_from_slice(value.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_leave_the_rest_as_it_came() {
        let check = |object: &str, changes: &[(&str, &str)], expected: &str| {
            assert_eq!(String::from_utf8(patch(object.as_bytes(), changes).unwrap()).unwrap(), expected);
        };
        check(r#"{"a": 1.50, "model":"x","z":[1, 2]}"#, &[("model", "\"y\"")], r#"{"a":1.50,"z":[1, 2],"model":"y"}"#);
        check(r#"{"model":1,"mod\u0065l":2}"#, &[("model", "3")], r#"{"model":3}"#);
        check("{}", &[("a", "1"), ("b", "2")], r#"{"a":1,"b":2}"#);
        check(r#"{"big":123456789012345678901234567890}"#, &[], r#"{"big":123456789012345678901234567890}"#);
        check(r#"{"k\"ey":0}"#, &[], r#"{"k\"ey":0}"#);
        assert!(patch(b"[1]", &[]).is_err());
        assert!(patch(b"{\"a\":}", &[]).is_err());
    }

    #[test]
    fn the_last_of_two_equal_fields_counts() {
        let fields: Fields<'_> = serde_json::from_str(r#"{"a":1,"a":2,"b":null}"#).unwrap();
        assert_eq!(fields.get("a"), Some("2"));
        assert_eq!(fields.get("b"), None);
    }
}
