//! JSON as Python writes it, which is how MLflow keeps it: its filters look for texts like `"key": "value"`.

use std::io;

use serde::Serialize;
use serde_json::{
    Value,
    ser::{Formatter, Serializer},
};

/// Writes `value` with a space after `:` and `,`, letters as they are, and numbers as Python prints them.
pub(crate) fn python_json<T: Serialize + ?Sized>(value: &T) -> String {
    let mut bytes = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut bytes, PythonStyle);
    value.serialize(&mut serializer).expect("our values have text keys and go to memory");
    String::from_utf8(bytes).expect("JSON is UTF-8")
}

/// Appends `text` as a JSON string, with letters as they are.
pub(crate) fn push_text(out: &mut String, text: &str) {
    out.push('"');
    push_escaped(out, text);
    out.push('"');
}

/// Appends what stands between the quotes of `text` as a JSON string.
pub(crate) fn push_escaped(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|it| it < b' ' || it == b'"' || it == b'\\') {
        out.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x08 => out.push_str("\\b"),
            0x0c => out.push_str("\\f"),
            control => {
                out.push_str("\\u00");
                for digit in [control >> 4, control & 0xf] {
                    out.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
                }
            }
        }
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
}

/// Reads what [`python_json`] wrote; what is no JSON is the text itself, as MLflow has it.
pub(crate) fn read_json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

struct PythonStyle;

impl Formatter for PythonStyle {
    fn begin_array_value<W: io::Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: io::Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn write_f64<W: io::Write + ?Sized>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        writer.write_all(python_float(value).as_bytes())
    }
}

/// Appends a float, as [`python_float`] writes it.
pub(crate) fn push_float(out: &mut String, value: f64) {
    out.push_str(&python_float(value));
}

/// The shortest digits that read back as `value`: with an exponent of two digits below 1e-4 and from 1e16 on.
pub(crate) fn python_float(value: f64) -> String {
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
    fn json_as_python_writes_it() {
        let check = |value: Value, expect| assert_eq!(python_json(&value), expect);
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
        let check = |value: f64, expect| assert_eq!(python_float(value), expect);
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
