//! Values as Python writes them, since MLflow's messages and the texts in its database are Python's.

use std::fmt::Write as _;
use std::io::{self, Write};

use serde_json::ser::Formatter;
use serde_json::{Serializer, Value};

/// The type's name as MLflow's messages spell it.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}

/// A text as Python's `repr` writes it; MLflow's messages show keys and values so.
pub fn repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut shown = String::with_capacity(text.len() + 2);
    shown.push(quote);
    for letter in text.chars() {
        match letter {
            '\\' => shown.push_str("\\\\"),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            letter if letter == quote => {
                shown.push('\\');
                shown.push(letter);
            }
            letter if letter.is_control() => {
                write!(shown, "\\x{:02x}", u32::from(letter)).expect("writing to a string does not fail");
            }
            letter => shown.push(letter),
        }
    }
    shown.push(quote);
    shown
}

/// Bytes as Python's `repr` writes them.
pub fn repr_bytes(bytes: &[u8]) -> String {
    let mut shown = String::from("b'");
    for byte in bytes {
        match byte {
            b'\'' => shown.push_str("\\'"),
            b'\\' => shown.push_str("\\\\"),
            b' '..=b'~' => shown.push(char::from(*byte)),
            _ => write!(shown, "\\x{byte:02x}").expect("writing to a string does not fail"),
        }
    }
    shown.push('\'');
    shown
}

/// A JSON value as Python's `repr` writes what it reads from it.
pub fn repr_value(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => repr(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(repr_value).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| format!("{}: {}", repr(key), repr_value(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
    }
}

/// Texts as Python's `repr` writes a list of them.
pub fn repr_list<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
    let shown: Vec<String> = texts.into_iter().map(repr).collect();
    format!("[{}]", shown.join(", "))
}

/// Texts as Python's `repr` writes a set of them.
pub fn repr_set<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
    let list = repr_list(texts);
    format!("{{{}}}", &list[1..list.len() - 1])
}

/// JSON as `json.dumps` writes it, so that the texts in the database are MLflow's to the byte: with `, ` and `: ` between its parts, and in ASCII.
pub fn dumps(value: &Value) -> String {
    let mut bytes = Vec::new();
    serde::Serialize::serialize(value, &mut Serializer::with_formatter(&mut bytes, Python))
        .expect("a JSON value is written into memory");
    String::from_utf8(bytes).expect("ASCII is UTF-8")
}

struct Python;

impl Formatter for Python {
    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, is_first: bool) -> io::Result<()> {
        if is_first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, is_first: bool) -> io::Result<()> {
        if is_first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        for letter in fragment.chars() {
            if letter.is_ascii() {
                writer.write_all(&[letter as u8])?;
            } else {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{dumps, repr_list};

    #[test]
    fn texts_are_pythons() {
        let value = json!({"a": "ü🌊\n\"", "b": [1, null, true], "c": {}, "d": 1.0});
        let python = r#"{"a": "\u00fc\ud83c\udf0a\n\"", "b": [1, null, true], "c": {}, "d": 1.0}"#;
        assert_eq!(dumps(&value), python);
    }

    #[test]
    fn texts_are_shown_as_python_shows_them() {
        assert_eq!(repr_list(["a", "it's", "x\n", "'\""]), r#"['a', "it's", 'x\n', '\'"']"#);
    }
}
