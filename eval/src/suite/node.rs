//! A YAML document as a tree that remembers lines, so that every later message can point at one.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

/// A value of the document and the line where it starts; line 0 is a value that came from the command line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) line: u64,
    pub(crate) kind: Kind,
}

/// The shapes that a value can have.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a map with its own line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) line: u64,
    pub(crate) value: Node,
}

impl Node {
    /// Reads a YAML (or JSON) document; `y`, `on` and their kin are words, as YAML 1.2 has it.
    pub(crate) fn parse(text: &str) -> Result<Self, serde_saphyr::Error> {
        serde_saphyr::from_str_with_options(text, serde_saphyr::options! { strict_booleans: true })
    }

    /// The value under `key`, where this is a map that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match &self.kind {
            Kind::Map(entries) => entries.iter().find(|it| it.key == key).map(|it| &it.value),
            _ => None,
        }
    }

    /// The value under a dotted path.
    pub(crate) fn at(&self, path: &str) -> Option<&Self> {
        path.split('.').try_fold(self, |node, key| match &node.kind {
            Kind::List(items) => items.get(key.parse::<usize>().ok()?),
            _ => node.get(key),
        })
    }

    /// Puts `value` under a dotted path, creating the maps on the way.
    pub(crate) fn set(&mut self, path: &[&str], value: Self) -> Result<(), String> {
        let Some((key, rest)) = path.split_first() else {
            *self = value;
            return Ok(());
        };
        match &mut self.kind {
            Kind::List(items) => {
                let length = items.len();
                let item = key.parse::<usize>().ok().and_then(|it| items.get_mut(it));
                item.ok_or(format!("`{key}` is no position in a list of {length}"))?.set(rest, value)
            }
            Kind::Map(entries) => {
                let position = entries.iter().position(|it| it.key == *key).unwrap_or_else(|| {
                    let value = Self { line: 0, kind: Kind::Map(Vec::new()) };
                    entries.push(Entry { key: (*key).to_owned(), line: 0, value });
                    entries.len() - 1
                });
                entries[position].value.set(rest, value)
            }
            other => Err(format!("`{key}` would be a key of {}, which is no map", words(other))),
        }
    }

    /// Marks the whole tree as coming from the command line.
    pub(crate) fn without_lines(mut self) -> Self {
        self.line = 0;
        match &mut self.kind {
            Kind::List(items) => {
                for item in items {
                    *item = std::mem::replace(item, Self { line: 0, kind: Kind::Null }).without_lines();
                }
            }
            Kind::Map(entries) => {
                for entry in entries {
                    entry.line = 0;
                    entry.value =
                        std::mem::replace(&mut entry.value, Self { line: 0, kind: Kind::Null }).without_lines();
                }
            }
            _ => {}
        }
        self
    }

    /// The tree without lines. A number that JSON does not have becomes its YAML spelling.
    pub(crate) fn to_value(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(it) => Value::Bool(*it),
            Kind::Int(it) => Value::from(*it),
            Kind::Float(it) => Number::from_f64(*it).map_or_else(|| Value::from(it.to_string()), Value::Number),
            Kind::Text(it) => Value::from(it.as_str()),
            Kind::List(items) => items.iter().map(Self::to_value).collect(),
            Kind::Map(entries) => {
                Value::Object(entries.iter().map(|it| (it.key.clone(), it.value.to_value())).collect::<Map<_, _>>())
            }
        }
    }
}

/// What a value is, in words.
pub(crate) fn words(kind: &Kind) -> String {
    match kind {
        Kind::Null => "nothing".to_owned(),
        Kind::Bool(it) => format!("`{it}`"),
        Kind::Int(it) => format!("`{it}`"),
        Kind::Float(it) => format!("`{it}`"),
        Kind::Text(it) => format!("`{it}`"),
        Kind::List(_) => "a list".to_owned(),
        Kind::Map(_) => "a map".to_owned(),
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Kind>::deserialize(deserializer)?;
        Ok(Self { line: spanned.referenced.line(), kind: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyKind)
    }
}

struct AnyKind;

impl<'de> Visitor<'de> for AnyKind {
    type Value = Kind;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_none<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Kind, D::Error> {
        Kind::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Kind, E> {
        Ok(Kind::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Kind, E> {
        Ok(Kind::Int(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Kind, E> {
        i64::try_from(value).map(Kind::Int).map_err(|_| E::custom(format!("the number {value} is too large")))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Kind, E> {
        Ok(Kind::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Kind, E> {
        Ok(Kind::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Kind, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Kind::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Kind, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let value = map.next_value()?;
            entries.push(Entry { key: key.value, line: key.referenced.line(), value });
        }
        Ok(Kind::Map(entries))
    }
}
