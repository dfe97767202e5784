//! JSON as Python's `json.dumps` writes it, so that the texts in the database are MLflow's to the byte.

use std::io::{self, Write};

use serde_json::ser::Formatter;
use serde_json::{Serializer, Value};

/// Writes a value with `, ` and `: ` between its parts, and in ASCII.
pub(super) fn dumps(value: &Value) -> String {
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

    use super::dumps;

    #[test]
    fn texts_are_pythons() {
        let value = json!({"a": "ü🌊\n\"", "b": [1, null, true], "c": {}, "d": 1.0});
        let python = r#"{"a": "\u00fc\ud83c\udf0a\n\"", "b": [1, null, true], "c": {}, "d": 1.0}"#;
        assert_eq!(dumps(&value), python);
    }
}
