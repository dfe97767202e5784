//! The format's JSON Schema, and the check of a document against it that answers with lines and nearest names.
//!
//! The schema is the single list of what the format knows; nothing below repeats a key of it. Only the schema words
//! that the format uses are understood, and a test holds that no other one appears.

use regex::Regex;
use serde_json::{Map, Value};
use yaml::{Entry, Kind, Node};

use crate::error::nearest;

/// The JSON Schema of the suite format, for editors and for `tidegate eval schema`.
pub const SCHEMA: &str = include_str!("../../schema/eval.schema.json");

/// The first thing that is wrong, and where.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) line: u64,
    pub(crate) message: String,
    /// How deep the document was understood before this: among alternatives the deepest one was meant.
    depth: usize,
}

/// Checks a whole document.
pub(crate) fn check(document: &Node) -> Result<(), Problem> {
    let schema: Value = serde_json::from_str(SCHEMA).expect("the embedded schema is JSON, a test parses it");
    Checker { root: &schema }.check(&schema, document, &mut Vec::new())
}

struct Checker<'a> {
    root: &'a Value,
}

impl<'a> Checker<'a> {
    fn check(&self, schema: &'a Value, node: &Node, path: &mut Vec<String>) -> Result<(), Problem> {
        let schema = self.resolve(schema);
        let Some(schema) = schema.as_object() else { return Ok(()) };
        if let Some(options) = schema.get("anyOf").and_then(Value::as_array) {
            return self.any_of(options, node, path);
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            one_of(values, node, path)?;
        }
        if let Some(types) = schema.get("type")
            && !type_names(types).iter().any(|it| has_type(node, it))
        {
            let expected = type_names(types).join(" or ").replace("object", "map").replace("array", "list");
            return Err(problem(node, path, &format!("expected {expected}, found {}", node.kind.words())));
        }
        match &node.kind {
            Kind::Map(_) => self.map(schema, node, path),
            Kind::List(items) => self.list(schema, node, items, path),
            Kind::Text(text) => pattern(schema, node, text, path),
            Kind::Int(_) | Kind::Float(_) => range(schema, node, path),
            Kind::Null | Kind::Bool(_) => Ok(()),
        }
    }

    fn resolve(&self, schema: &'a Value) -> &'a Value {
        match schema.get("$ref").and_then(Value::as_str) {
            Some(reference) => {
                self.root.pointer(reference.trim_start_matches('#')).expect("the embedded schema's references exist")
            }
            None => schema,
        }
    }

    fn any_of(&self, options: &'a [Value], node: &Node, path: &mut Vec<String>) -> Result<(), Problem> {
        let mut deepest: Option<Problem> = None;
        for option in options {
            match self.check(option, node, path) {
                Ok(()) => return Ok(()),
                Err(problem) if deepest.as_ref().is_none_or(|it| problem.depth > it.depth) => deepest = Some(problem),
                Err(_) => {}
            }
        }
        let deepest = deepest.expect("an anyOf of the embedded schema has alternatives");
        if deepest.depth > path.len() * 2 + 1 {
            return Err(deepest);
        }
        let forms: Vec<String> = options.iter().map(|it| self.form(it)).collect();
        Err(problem(node, path, &format!("{} is none of its forms: {}", node.kind.words(), forms.join(", "))))
    }

    /// A short description of what an alternative accepts.
    fn form(&self, schema: &'a Value) -> String {
        let schema = self.resolve(schema);
        if let Some(options) = schema.get("anyOf").and_then(Value::as_array) {
            return options.iter().map(|it| self.form(it)).collect::<Vec<_>>().join(", ");
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            return values.iter().map(plain).collect::<Vec<_>>().join(", ");
        }
        if let Some(it) = schema.get("pattern").and_then(Value::as_str) {
            return pattern_words(it);
        }
        if let Some(keys) = schema.get("required").and_then(Value::as_array) {
            return format!("{{{}: …}}", keys.iter().map(plain).collect::<Vec<_>>().join(", "));
        }
        let types = schema.get("type").map(type_names).unwrap_or_default();
        types.join(" or ").replace("object", "a map").replace("array", "a list").replace("string", "text")
    }

    fn map(&self, schema: &'a Map<String, Value>, node: &Node, path: &mut Vec<String>) -> Result<(), Problem> {
        let Kind::Map(entries) = &node.kind else { return Ok(()) };
        let none = Map::new();
        let known = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
        required(schema, known, node, entries, path)?;
        for entry in entries {
            let (key, line) = (&entry.key, entry.line);
            path.push(key.clone());
            let inner = schema.get("properties").and_then(|it| it.get(key)).or(schema.get("additionalProperties"));
            let checked = match inner {
                Some(Value::Bool(false)) => {
                    let keys = known.keys().map(String::as_str);
                    let message = format!("unknown key `{key}`{}", nearest(key, keys));
                    Err(Problem { line, message: at(&path[..path.len() - 1], &message), depth: path.len() * 2 })
                }
                Some(inner) => self.check(inner, &entry.value, path),
                None => Ok(()),
            };
            path.pop();
            checked?;
        }
        let bound = |key: &str| schema.get(key).and_then(Value::as_u64);
        if bound("minProperties").is_some_and(|it| (entries.len() as u64) < it) {
            return Err(problem(node, path, "the map is empty"));
        }
        if bound("maxProperties").is_some_and(|it| entries.len() as u64 > it) {
            let keys: Vec<&str> = entries.iter().map(|it| it.key.as_str()).collect();
            return Err(problem(node, path, &format!("one key is allowed here, found {}", keys.join(", "))));
        }
        Ok(())
    }

    fn list(
        &self,
        schema: &'a Map<String, Value>,
        node: &Node,
        items: &[Node],
        path: &mut Vec<String>,
    ) -> Result<(), Problem> {
        if schema.get("minItems").and_then(Value::as_u64).is_some_and(|it| (items.len() as u64) < it) {
            return Err(problem(node, path, "the list has too few entries"));
        }
        let Some(inner) = schema.get("items") else { return Ok(()) };
        for (index, item) in items.iter().enumerate() {
            path.push(index.to_string());
            let checked = self.check(inner, item, path);
            path.pop();
            checked?;
        }
        Ok(())
    }
}

/// A missing key comes before unknown ones: among alternatives, the one whose keys are there was meant.
fn required(
    schema: &Map<String, Value>,
    known: &Map<String, Value>,
    node: &Node,
    entries: &[Entry],
    path: &[String],
) -> Result<(), Problem> {
    for key in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        if node.get(key).is_some() {
            continue;
        }
        let misspelt = |it: &&Entry| !known.contains_key(&it.key) && nearest(&it.key, [key]).contains("did you mean");
        return Err(match entries.iter().find(misspelt) {
            Some(entry) => {
                let message = format!("unknown key `{}`{}", entry.key, nearest(&entry.key, [key]));
                Problem { line: entry.line, message: at(path, &message), depth: (path.len() + 1) * 2 }
            }
            None => problem(node, path, &format!("the key `{key}` is missing")),
        });
    }
    Ok(())
}

fn one_of(values: &[Value], node: &Node, path: &[String]) -> Result<(), Problem> {
    if values.contains(&node.to_value()) {
        return Ok(());
    }
    let known: Vec<String> = values.iter().map(plain).collect();
    let hint = match &node.kind {
        Kind::Text(text) => nearest(text, known.iter().map(String::as_str)),
        _ => format!("; known are {}", known.join(", ")),
    };
    let mut found = problem(node, path, &format!("unknown value {}{hint}", node.kind.words()));
    // A wrong word names the right list even among other forms.
    found.depth += 2 * usize::from(matches!(node.kind, Kind::Text(_)));
    Err(found)
}

fn pattern(schema: &Map<String, Value>, node: &Node, text: &str, path: &[String]) -> Result<(), Problem> {
    let Some(pattern) = schema.get("pattern").and_then(Value::as_str) else { return Ok(()) };
    let regex = Regex::new(pattern).expect("the embedded schema's patterns compile, a test tries them");
    if regex.is_match(text) {
        return Ok(());
    }
    Err(problem(node, path, &format!("`{text}` is not {}", pattern_words(pattern))))
}

fn range(schema: &Map<String, Value>, node: &Node, path: &[String]) -> Result<(), Problem> {
    let value = match node.kind {
        #[expect(clippy::cast_precision_loss, reason = "bounds of the schema are small numbers")]
        Kind::Int(it) => it as f64,
        Kind::Float(it) => it,
        _ => return Ok(()),
    };
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    let wrong = if let Some(it) = bound("minimum").filter(|it| value < *it) {
        format!("at least {it}")
    } else if let Some(it) = bound("exclusiveMinimum").filter(|it| value <= *it) {
        format!("more than {it}")
    } else if let Some(it) = bound("exclusiveMaximum").filter(|it| value >= *it) {
        format!("less than {it}")
    } else {
        return Ok(());
    };
    Err(problem(node, path, &format!("{} must be {wrong}", node.kind.words())))
}

fn pattern_words(pattern: &str) -> String {
    if pattern.contains("ms|s|m|h") {
        "a duration such as `250ms`, `30s`, `5m` or `1h`".to_owned()
    } else if pattern.contains("col:") {
        "a target: `col:COLUMN`, `endpoint:NAME`, a URL, `models:/NAME/VERSION` or a model file".to_owned()
    } else {
        format!("text of the form {pattern}")
    }
}

fn type_names(types: &Value) -> Vec<&str> {
    match types {
        Value::String(it) => vec![it.as_str()],
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn has_type(node: &Node, name: &str) -> bool {
    match name {
        "object" => matches!(node.kind, Kind::Map(_)),
        "array" => matches!(node.kind, Kind::List(_)),
        "string" => matches!(node.kind, Kind::Text(_)),
        "boolean" => matches!(node.kind, Kind::Bool(_)),
        "integer" => match node.kind {
            Kind::Int(_) => true,
            Kind::Float(it) => it.fract() == 0.0,
            _ => false,
        },
        "number" => matches!(node.kind, Kind::Int(_) | Kind::Float(_)),
        _ => matches!(node.kind, Kind::Null),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

fn problem(node: &Node, path: &[String], message: &str) -> Problem {
    let types_fit = usize::from(message.contains("is not a ") || message.starts_with("the key "));
    Problem { line: node.line, message: at(path, message), depth: path.len() * 2 + types_fit }
}

fn at(path: &[String], message: &str) -> String {
    if path.is_empty() { message.to_owned() } else { format!("`{}`: {message}", path.join(".")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_uses_only_words_that_the_check_understands() {
        const UNDERSTOOD: [&str; 19] = [
            "$schema",
            "$defs",
            "$ref",
            "title",
            "description",
            "type",
            "required",
            "additionalProperties",
            "properties",
            "anyOf",
            "enum",
            "items",
            "minItems",
            "minProperties",
            "maxProperties",
            "minimum",
            "exclusiveMinimum",
            "exclusiveMaximum",
            "pattern",
        ];
        fn walk(schema: &Value) {
            for (word, value) in schema.as_object().into_iter().flatten() {
                assert!(UNDERSTOOD.contains(&word.as_str()), "{word}");
                match (word.as_str(), value) {
                    ("properties" | "$defs", Value::Object(inner)) => inner.values().for_each(walk),
                    ("anyOf", Value::Array(inner)) => inner.iter().for_each(walk),
                    ("items" | "additionalProperties", inner) => walk(inner),
                    ("pattern", inner) => drop(Regex::new(inner.as_str().unwrap()).unwrap()),
                    ("$ref", inner) => assert!(inner.as_str().unwrap().starts_with("#/$defs/")),
                    _ => {}
                }
            }
        }
        walk(&serde_json::from_str(SCHEMA).unwrap());
    }
}
