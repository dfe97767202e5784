//! Cuts the selected fields out of the data, in the forms that GraphQL's types have.

use serde_json::{Map, Value};

use super::{input::snake_case, plan::Selected, types::Kind};

/// What of `data` was selected. A field that is not set has its type's default, as in MLflow's messages.
pub(super) fn object(selected: &Selected, data: &Value) -> Value {
    let mut answer = Map::with_capacity(selected.steps.len());
    for step in &selected.steps {
        let value = match step.field {
            None => Value::from(selected.object.name),
            Some(field) => value(&field.kind, step.selected.as_ref(), data.get(snake_case(field.name))),
        };
        answer.insert(step.key.clone(), value);
    }
    Value::Object(answer)
}

fn value(kind: &Kind, selected: Option<&Selected>, data: Option<&Value>) -> Value {
    let data = data.filter(|it| !it.is_null());
    match (kind, data) {
        (Kind::Unset(_), _) => Value::Null,
        (Kind::Object(_), data) => {
            selected.map_or(Value::Null, |selected| object(selected, data.unwrap_or(&Value::Null)))
        }
        (Kind::List(kind), Some(Value::Array(items))) => {
            items.iter().map(|it| value(kind, selected, Some(it))).collect()
        }
        (Kind::List(_), _) => Value::Array(Vec::new()),
        (Kind::Long, Some(Value::Number(number))) => Value::from(number.to_string()),
        (Kind::Long, data) => data.cloned().unwrap_or_else(|| Value::from("0")),
        // NaN and the infinities are texts, which no Float is.
        (Kind::Float, Some(Value::String(_))) => Value::Null,
        (Kind::Float, data) => data.cloned().unwrap_or_else(|| Value::from(0.0)),
        (Kind::Boolean, data) => data.cloned().unwrap_or(Value::Bool(false)),
        (Kind::Enum { unset }, data) => data.cloned().unwrap_or_else(|| Value::from(*unset)),
        (Kind::String, data) => data.cloned().unwrap_or_else(|| Value::from("")),
    }
}
