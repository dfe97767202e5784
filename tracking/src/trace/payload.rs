//! What was asked and answered, as JSON texts that came from elsewhere: written and shown without being taken apart.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

use super::{
    preview::{Speaker, cut, preview, text_of},
    text::{push_float, push_text, read_json},
};

/// The text as Python writes the same JSON; what is no JSON becomes a JSON string of the text.
pub(crate) fn python_style(json: &[u8]) -> String {
    let mut out = String::with_capacity(json.len() + json.len() / 8);
    let mut reader = serde_json::Deserializer::from_slice(json);
    let is_json = Restyle(&mut out).deserialize(&mut reader).is_ok() && reader.end().is_ok();
    if !is_json {
        out.clear();
        push_text(&mut out, &String::from_utf8_lossy(json));
    }
    out
}

/// Appends a value as Python writes it.
pub(crate) fn push_json(out: &mut String, value: &Value) {
    // Neither our memory nor a value of ours refuses anything.
    let _ = Restyle(out).deserialize(value);
}

/// What [`preview`] shows of the value that `text`, a text of [`python_style`], stands for.
pub(crate) fn preview_of(text: &str, speaker: Speaker) -> String {
    if !text.starts_with('{') {
        return preview(&read_json(text), speaker);
    }
    match last_message(text, speaker) {
        Some(message) => cut(message),
        None => cut(text.to_owned()),
    }
}

/// Where the formats of chats and responses keep their messages.
#[derive(Deserialize)]
struct Shape<'a> {
    #[serde(borrow, default)]
    messages: Option<&'a RawValue>,
    #[serde(borrow, default)]
    choices: Option<&'a RawValue>,
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
    #[serde(borrow, default)]
    output: Option<&'a RawValue>,
    #[serde(borrow, default)]
    request: Option<&'a RawValue>,
}

/// What makes an object a message.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    role: &'a RawValue,
    #[serde(borrow)]
    content: &'a RawValue,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow)]
    message: &'a RawValue,
}

fn last_message(text: &str, speaker: Speaker) -> Option<String> {
    let role = match speaker {
        Speaker::User => r#""user""#,
        Speaker::Assistant => r#""assistant""#,
    };
    let mut last = None;
    let mut spoken = None;
    for message in messages(text)? {
        if message.role.get() == role {
            spoken = Some(message.content);
        }
        last = Some(message.content);
    }
    let content: Value = serde_json::from_str(spoken.or(last)?.get()).ok()?;
    text_of(&content).filter(|it| !it.is_empty()).map(str::to_owned)
}

fn messages(text: &str) -> Option<Vec<Message<'_>>> {
    let mut shape: Shape<'_> = serde_json::from_str(text).ok()?;
    loop {
        if let Some(items) = shape.messages.and_then(list) {
            return Some(said(&items));
        }
        if let Some(first) = shape.choices.and_then(list).and_then(|it| it.first().copied())
            && let Some(message) = object::<Choice<'_>>(first).and_then(|it| object(it.message))
        {
            return Some(vec![message]);
        }
        if let Some(items) = shape.input.and_then(list).or_else(|| shape.output.and_then(list)) {
            return Some(said(&items));
        }
        shape = object(shape.request?)?;
    }
}

fn said<'a>(items: &[&'a RawValue]) -> Vec<Message<'a>> {
    items.iter().filter_map(|it| object(it)).collect()
}

/// Reads an object; a list of the same values is none.
fn object<'a, T: Deserialize<'a>>(value: &'a RawValue) -> Option<T> {
    value.get().starts_with('{').then(|| serde_json::from_str(value.get()).ok())?
}

/// The items of a list that has some.
fn list(value: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str::<Vec<&RawValue>>(value.get()).ok().filter(|it| !it.is_empty())
}

/// Writes the value that it reads, as Python does.
struct Restyle<'o>(&'o mut String);

impl<'de> DeserializeSeed<'de> for Restyle<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Restyle<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.0.push_str("null");
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.0.push_str(if value { "true" } else { "false" });
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.0.push_str(&value.to_string());
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.0.push_str(&value.to_string());
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        push_float(self.0, value);
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        push_text(self.0, value);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.0.push('[');
        let first = self.0.len();
        loop {
            let before = self.0.len();
            if before > first {
                self.0.push_str(", ");
            }
            if items.next_element_seed(Restyle(self.0))?.is_none() {
                self.0.truncate(before);
                self.0.push(']');
                return Ok(());
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        self.0.push('{');
        let first = self.0.len();
        loop {
            let before = self.0.len();
            if before > first {
                self.0.push_str(", ");
            }
            if fields.next_key_seed(Restyle(self.0))?.is_none() {
                self.0.truncate(before);
                self.0.push('}');
                return Ok(());
            }
            self.0.push_str(": ");
            fields.next_value_seed(Restyle(self.0))?;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::trace::text::python_json;

    #[test]
    fn texts_as_python_writes_them() {
        let check = |json: &str, expect: &str| assert_eq!(python_style(json.as_bytes()), expect);
        check(
            r#" {"a":[1,-2,2.50,1e30,null,true],"b":{},"c":[]} "#,
            r#"{"a": [1, -2, 2.5, 1e+30, null, true], "b": {}, "c": []}"#,
        );
        check(r#""h\u00e9\n\"\/""#, r#""hé\n\"/""#);
        check("18446744073709551615", "18446744073709551615");
        check("{} {}", r#""{} {}""#);
        check(r#"{"a": "#, r#""{\"a\": ""#);
        check("", r#""""#);
        assert_eq!(python_style(b"\xff"), "\"\u{fffd}\"");
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            prop_oneof!["user", "assistant", ".*"].prop_map(Value::from),
        ];
        let key = prop_oneof![
            Just("messages"),
            Just("choices"),
            Just("message"),
            Just("role"),
            Just("content"),
            Just("input"),
            Just("output"),
            Just("request"),
            Just("type"),
            Just("text"),
        ];
        leaf.prop_recursive(6, 48, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec((key.clone(), inner), 0..5)
                    .prop_map(|it| it.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn nothing_changes_but_the_style(value in any_json()) {
            let text = python_style(value.to_string().as_bytes());
            prop_assert_eq!(&text, &python_json(&value));
            for speaker in [Speaker::User, Speaker::Assistant] {
                prop_assert_eq!(preview_of(&text, speaker), preview(&value, speaker));
            }
        }
    }

    #[test]
    fn the_last_words_are_shown() {
        let check = |value: Value, speaker, expect: &str| {
            assert_eq!(preview_of(&python_json(&value), speaker), expect, "{value}");
        };
        let chat = json!({"messages": [{"role": "user", "content": "first"}, {"role": "user", "content": "second"},
            {"role": "assistant", "content": "so far"}, {"role": "tool"}, 7]});
        check(chat.clone(), Speaker::User, "second");
        check(json!({"request": chat}), Speaker::Assistant, "so far");
        check(
            json!({"choices": [{"message": {"role": "assistant", "content": "hello"}}]}),
            Speaker::Assistant,
            "hello",
        );
        check(json!({"choices": [{"text": "hello"}]}), Speaker::Assistant, r#"{"choices": [{"text": "hello"}]}"#);
        check(json!("done"), Speaker::User, "\"done\"");
    }
}
