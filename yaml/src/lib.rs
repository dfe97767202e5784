//! A YAML document as a tree that remembers lines, so that every later message can point at one.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

/// A value of the document and the line where it starts; line 0 is a value that came from the command line.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where the value starts, from 1; 0 where it stands in no file.
    pub line: u64,
    /// What it is.
    pub kind: Kind,
}

/// The shapes that a value can have.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Nothing, or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number that fits 64 bits.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A text.
    Text(String),
    /// Values in order.
    List(Vec<Node>),
    /// Keys and values, in the order of the file.
    Map(Vec<Entry>),
}

/// One key of a map with its own line.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key starts, from 1.
    pub line: u64,
    /// What stands under it.
    pub value: Node,
}

impl Node {
    /// Reads a YAML (or JSON) document; `y`, `on` and their kin are words, as YAML 1.2 has it.
    pub fn parse(text: &str) -> Result<Self, serde_saphyr::Error> {
        serde_saphyr::from_str_with_options(text, serde_saphyr::options! { strict_booleans: true })
    }

    /// The value under `key`, where this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.kind {
            Kind::Map(entries) => entries.iter().find(|it| it.key == key).map(|it| &it.value),
            _ => None,
        }
    }

    /// The value under a dotted path.
    pub fn at(&self, path: &str) -> Option<&Self> {
        path.split('.').try_fold(self, |node, key| match &node.kind {
            Kind::List(items) => items.get(key.parse::<usize>().ok()?),
            _ => node.get(key),
        })
    }

    /// Puts `value` under a dotted path, creating the maps on the way.
    pub fn set(&mut self, path: &[&str], value: Self) -> Result<(), String> {
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
            other => Err(format!("`{key}` would be a key of {}, which is no map", other.words())),
        }
    }

    /// Marks the whole tree as coming from the command line.
    #[must_use]
    pub fn without_lines(mut self) -> Self {
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

    /// The tree without lines.
    pub fn to_value(&self) -> Value {
        self.kind.to_value()
    }
}

impl Kind {
    /// The value as JSON. A number that JSON does not have becomes its YAML spelling.
    pub fn to_value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(it) => Value::Bool(*it),
            Self::Int(it) => Value::from(*it),
            Self::Float(it) => Number::from_f64(*it).map_or_else(|| Value::from(it.to_string()), Value::Number),
            Self::Text(it) => Value::from(it.as_str()),
            Self::List(items) => items.iter().map(Node::to_value).collect(),
            Self::Map(entries) => {
                Value::Object(entries.iter().map(|it| (it.key.clone(), it.value.to_value())).collect::<Map<_, _>>())
            }
        }
    }

    /// What a value is, in the words of a message.
    pub fn words(&self) -> String {
        match self {
            Self::Null => "nothing".to_owned(),
            Self::Bool(it) => format!("`{it}`"),
            Self::Int(it) => format!("`{it}`"),
            Self::Float(it) => format!("`{it}`"),
            Self::Text(it) => format!("`{it}`"),
            Self::List(_) => "a list".to_owned(),
            Self::Map(_) => "a map".to_owned(),
        }
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

    fn visit_u64<E>(self, value: u64) -> Result<Kind, E> {
        // A number of 20 digits may be a key that lacks its quotes.
        Ok(i64::try_from(value).map_or_else(|_| Kind::Text(value.to_string()), Kind::Int))
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
