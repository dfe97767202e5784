//! JSON schemas as Google takes them.
//!
//! `parametersJsonSchema` and `responseJsonSchema` take JSON Schema itself, `$defs`, `$ref` and `anyOf` included, with
//! two restrictions that Google documents: beside a `$ref` nothing else may stand, and `const` is not known.

use serde_json::{Map, Value, json};

/// The same schema without what Google refuses.
pub(super) fn schema(schema: &Value) -> Value {
    let Value::Object(fields) = schema else { return schema.clone() };
    let mut out = Map::new();
    for (key, value) in fields {
        match key.as_str() {
            "const" => {
                out.insert("enum".to_owned(), json!([value]));
            }
            // Names that the schema's author chose, each with a schema.
            "properties" | "$defs" | "definitions" | "patternProperties" => {
                let named = value.as_object().into_iter().flatten();
                let named: Map<String, Value> = named.map(|(name, it)| (name.clone(), self::schema(it))).collect();
                out.insert(key.clone(), named.into());
            }
            "anyOf" | "oneOf" | "allOf" | "prefixItems" => {
                let list = value.as_array().into_iter().flatten();
                out.insert(key.clone(), list.map(self::schema).collect());
            }
            "items" | "additionalProperties" | "not" => {
                out.insert(key.clone(), self::schema(value));
            }
            // Data, not schemas.
            _ => {
                out.insert(key.clone(), value.clone());
            }
        }
    }
    if out.contains_key("$ref") && out.keys().any(|it| !it.starts_with('$')) {
        let target = out.remove("$ref").unwrap_or_default();
        out.insert("anyOf".to_owned(), json!([{"$ref": target}]));
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_stand_alone_and_constants_are_choices() {
        let check = |input: Value, expected: Value| assert_eq!(schema(&input), expected);
        check(json!({"$ref": "#/$defs/A"}), json!({"$ref": "#/$defs/A"}));
        check(
            json!({"$ref": "#/$defs/A", "$defs": {"A": {"const": 1}}}),
            json!({"$ref": "#/$defs/A", "$defs": {"A": {"enum": [1]}}}),
        );
        check(
            json!({"items": {"$ref": "#/$defs/A", "title": "t"}}),
            json!({"items": {"anyOf": [{"$ref": "#/$defs/A"}], "title": "t"}}),
        );
        // A property may be called like a keyword, and an example may look like a schema.
        check(
            json!({"properties": {"const": {"type": "string"}, "$ref": {"const": 2}}, "default": {"const": 1}}),
            json!({"properties": {"const": {"type": "string"}, "$ref": {"enum": [2]}}, "default": {"const": 1}}),
        );
        check(json!({"additionalProperties": false}), json!({"additionalProperties": false}));
    }
}
