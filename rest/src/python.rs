//! Values as Python writes them, since MLflow's messages and the texts in its database are Python's.

use std::fmt::Write as _;
use std::io::{self, Write};

use serde::Serialize;
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

/// JSON as `json.dumps` writes it, in ASCII.
pub fn dumps<T: Serialize + ?Sized>(value: &T) -> String {
    written(value, Style { is_ascii: true })
}

/// JSON as `json.dumps(…, ensure_ascii=False)` writes it: letters stay as they are.
pub fn dumps_unicode<T: Serialize + ?Sized>(value: &T) -> String {
    written(value, Style { is_ascii: false })
}

fn written<T: Serialize + ?Sized>(value: &T, style: Style) -> String {
    let mut bytes = Vec::new();
    value
        .serialize(&mut Serializer::with_formatter(&mut bytes, style))
        .expect("our values have text keys and go to memory");
    String::from_utf8(bytes).expect("JSON is UTF-8")
}

/// A space after `:` and `,`, and numbers as Python prints them.
struct Style {
    is_ascii: bool,
}

impl Formatter for Style {
    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, is_first: bool) -> io::Result<()> {
        if is_first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, is_first: bool) -> io::Result<()> {
        if is_first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn write_f64<W: ?Sized + Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        writer.write_all(float(value).as_bytes())
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        if !self.is_ascii || fragment.is_ascii() {
            return writer.write_all(fragment.as_bytes());
        }
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

/// The shortest digits that read back as `value`: with an exponent of two digits below 1e-4 and from 1e16 on.
pub fn float(value: f64) -> String {
    let scientific = format!("{value:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().expect("Rust writes an integer after the e");
    if (-4..16).contains(&exponent) {
        return format!("{value:?}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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

    #[test]
    fn json_as_python_writes_it() {
        let check = |value: Value, expect| assert_eq!(dumps_unicode(&value), expect);
        check(
            json!({"q": "hi", "n": 3, "l": [1, 2.5, null, true]}),
            r#"{"q": "hi", "n": 3, "l": [1, 2.5, null, true]}"#,
        );
        check(json!({}), "{}");
        check(json!([]), "[]");
        check(json!("hé\n\"文\""), "\"hé\\n\\\"文\\\"\"");
        check(json!(1.5e-6), "1.5e-06");
        check(json!(1e22), "1e+22");
    }

    #[test]
    fn floats_as_python_writes_them() {
        let check = |value: f64, expect| assert_eq!(float(value), expect);
        check(0.0, "0.0");
        check(-0.0, "-0.0");
        check(1.0, "1.0");
        check(0.1, "0.1");
        check(0.0001, "0.0001");
        check(0.00001, "1e-05");
        check(3e-6, "3e-06");
        check(123_456_789.125, "123456789.125");
        check(1e15, "1000000000000000.0");
        check(1e16, "1e+16");
        check(1.5e300, "1.5e+300");
        check(5e-324, "5e-324");
    }
}
