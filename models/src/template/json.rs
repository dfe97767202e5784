//! JSON as Python's `json.dumps(…, ensure_ascii=False)` writes it: what chat templates were made with.

use std::io;

use minijinja::value::Kwargs;
use minijinja::{Error, ErrorKind, Value};
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

/// The filter `tojson`, with Python's optional `indent`.
#[expect(clippy::needless_pass_by_value, reason = "minijinja hands options over by value")]
pub(super) fn to_json(value: &Value, options: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = options.get("indent")?;
    let _: Option<bool> = options.get("ensure_ascii")?;
    options.assert_all_used()?;
    let mut out = Vec::new();
    let written = match indent {
        None => value.serialize(&mut Serializer::with_formatter(&mut out, Python)),
        Some(indent) => {
            let spaces = " ".repeat(indent.min(INDENT_MAX));
            value.serialize(&mut Serializer::with_formatter(&mut out, PrettyFormatter::with_indent(spaces.as_bytes())))
        }
    };
    written.map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))?;
    Ok(Value::from_safe_string(String::from_utf8(out).expect("serde_json writes UTF-8")))
}

/// Deeper indents only waste the context.
const INDENT_MAX: usize = 16;

/// `", "` and `": "` between things.
struct Python;

impl Formatter for Python {
    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_as_python_does() {
        let check = |value: serde_json::Value, expected: &str| {
            let written =
                to_json(&serde_json::from_value(value).unwrap(), Kwargs::from_iter([] as [(&str, Value); 0])).unwrap();
            assert_eq!(written.as_str(), Some(expected));
        };
        check(
            serde_json::json!({"b": [1, 2.5, null], "a": {"é": "it's <b>\"x\"\n"}}),
            r#"{"b": [1, 2.5, null], "a": {"é": "it's <b>\"x\"\n"}}"#,
        );
        check(serde_json::json!([]), "[]");
    }
}
