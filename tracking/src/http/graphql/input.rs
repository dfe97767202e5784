//! The arguments of root fields: literals and variables, checked against their types and renamed to snake case.

use graphql_parser::query::{Type, Value as Literal, VariableDefinition};
use serde_json::{Map, Value};

use super::schema::{Argument, InputKind, InputType, VIEW_TYPES};

/// The variables of one operation: what it declares, and the values that came with the request.
pub(super) struct Variables<'d> {
    pub(super) declared: &'d [VariableDefinition<'static, String>],
    pub(super) given: &'d Map<String, Value>,
}

impl Variables<'_> {
    /// Checks that each declared variable that must have a value has one.
    pub(super) fn check(&self) -> Result<(), String> {
        for variable in self.declared {
            let given = self.given.get(&variable.name).filter(|it| !it.is_null());
            if matches!(variable.var_type, Type::NonNullType(_)) && given.is_none() && variable.default_value.is_none()
            {
                return Err(format!(
                    "Variable '${}' of required type '{}' was not provided.",
                    variable.name, variable.var_type
                ));
            }
        }
        Ok(())
    }

    /// The value of a variable; none where it has none.
    fn value(&self, name: &str) -> Result<Option<Value>, String> {
        let variable = self
            .declared
            .iter()
            .find(|it| it.name == name)
            .ok_or_else(|| format!("Variable '${name}' is not defined."))?;
        match (self.given.get(name), &variable.default_value) {
            (Some(value), _) => Ok(Some(value.clone())),
            (None, Some(default)) => self.json(default),
            (None, None) => Ok(None),
        }
    }

    /// A literal as JSON, with its variables filled in; none where it is a variable without a value.
    fn json(&self, literal: &Literal<'static, String>) -> Result<Option<Value>, String> {
        Ok(Some(match literal {
            Literal::Variable(name) => return self.value(name),
            Literal::Int(number) => number.as_i64().map_or(Value::Null, Value::from),
            Literal::Float(number) => Value::from(*number),
            Literal::String(text) | Literal::Enum(text) => Value::from(text.as_str()),
            Literal::Boolean(truth) => Value::from(*truth),
            Literal::Null => Value::Null,
            Literal::List(items) => {
                let items = items.iter().map(|it| Ok(self.json(it)?.unwrap_or_default()));
                Value::Array(items.collect::<Result<_, String>>()?)
            }
            Literal::Object(fields) => {
                let mut object = Map::new();
                for (name, literal) in fields {
                    if let Some(value) = self.json(literal)? {
                        object.insert(name.clone(), value);
                    }
                }
                Value::Object(object)
            }
        }))
    }

    /// The condition of `@include` or `@skip`.
    pub(super) fn condition(&self, literal: &Literal<'static, String>) -> Result<bool, String> {
        match self.json(literal)? {
            Some(Value::Bool(truth)) => Ok(truth),
            other => Err(format!("Argument 'if' must be a Boolean, got {}.", other.unwrap_or_default())),
        }
    }

    /// The argument of a root field, with its names in snake case.
    pub(super) fn argument(
        &self,
        field: &str,
        expected: &Argument,
        given: &[(String, Literal<'static, String>)],
    ) -> Result<Option<Map<String, Value>>, String> {
        let mut value = None;
        for (name, literal) in given {
            if name != expected.name() {
                return Err(format!("Unknown argument '{name}' on field 'Query.{field}'."));
            }
            value = self.json(literal)?.filter(|it| !it.is_null());
        }
        let Some(value) = value else { return Ok(None) };
        match expected {
            Argument::Text => {
                let text = coerce(expected.name(), InputKind::String, value)?;
                Ok(Some(Map::from_iter([("input_string".to_owned(), text)])))
            }
            Argument::Input(input) => object(input, value).map(Some),
        }
    }
}

fn object(input: &InputType, value: Value) -> Result<Map<String, Value>, String> {
    let Value::Object(given) = value else {
        return Err(format!("Expected type '{}' to be a mapping, got {value}.", input.name));
    };
    let mut fields = Map::new();
    for (name, value) in given {
        let kind = input.fields.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind);
        let kind = kind.ok_or_else(|| format!("Field '{name}' is not defined by type '{}'.", input.name))?;
        if !value.is_null() {
            fields.insert(snake_case(&name), coerce(&name, kind, value)?);
        }
    }
    Ok(fields)
}

fn coerce(name: &str, kind: InputKind, value: Value) -> Result<Value, String> {
    let wrong = |what: &str, value: &Value| Err(format!("{what}: {value} (at '{name}')"));
    match (kind, value) {
        (InputKind::String, Value::String(text)) => Ok(Value::String(text)),
        (InputKind::String, value) => wrong("String cannot represent a non string value", &value),
        (InputKind::Strings, Value::Array(items)) => {
            let items = items.into_iter().map(|it| coerce(name, InputKind::String, it));
            Ok(Value::Array(items.collect::<Result<_, _>>()?))
        }
        (InputKind::Strings, value) => Ok(Value::Array(vec![coerce(name, InputKind::String, value)?])),
        (InputKind::Int, value) => match value.as_i64().and_then(|it| i32::try_from(it).ok()) {
            Some(number) => Ok(Value::from(number)),
            None => wrong("Int cannot represent this value", &value),
        },
        (InputKind::Long, value) => match value.as_i64().or_else(|| value.as_str()?.parse().ok()) {
            Some(number) => Ok(Value::from(number)),
            None => wrong("LongString cannot represent this value", &value),
        },
        (InputKind::ViewType, Value::String(text)) if VIEW_TYPES.contains(&text.as_str()) => Ok(Value::String(text)),
        (InputKind::ViewType, value) => wrong("Value does not exist in 'MlflowViewType' enum", &value),
    }
}

/// `runUuid` as the data names it: `run_uuid`.
pub(super) fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}
