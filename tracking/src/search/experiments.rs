//! Searching experiments by attributes and tags.

use db::Value;

use super::{
    Query,
    compile::{
        self, NUMBER_COMPARATORS, TEXT_COMPARATORS, TextOperand, TextTest, invalid_key, list_texts, number_comparator,
        quoted_text,
    },
    parser::{Comparator, Comparison, Operand, parse, parse_order, split_identifier},
};
use crate::{
    Error, Result,
    experiment::{ExperimentId, ViewType},
};

const ATTRIBUTE_KEYS: &[&str] = &["name", "experiment_id", "creation_time", "last_update_time"];

/// What an experiment is searched by.
#[derive(Debug, PartialEq, Eq)]
enum Subject<'f> {
    Name,
    Id,
    /// A time (ms since 1970) in this column.
    Time(&'static str),
    Tag(&'f str),
}

/// Conditions and order of a search over the table `experiments`.
pub(crate) fn experiments_query(filter: &str, order_by: &[String], view: ViewType) -> Result<Query> {
    let stages: Vec<String> = view.stages().iter().map(|stage| format!("'{stage}'")).collect();
    let mut sql =
        format!("WHERE experiments.workspace = 'default' AND experiments.lifecycle_stage IN ({})", stages.join(", "));
    let mut args = Vec::new();
    for comparison in parse(filter)? {
        sql.push_str(" AND ");
        sql.push_str(&condition(&comparison, &mut args)?);
    }
    sql.push_str(" ORDER BY ");
    sql.push_str(&order(order_by)?);
    Ok(Query { sql, args })
}

fn condition(comparison: &Comparison<'_>, args: &mut Vec<Value>) -> Result<String> {
    let Comparison { identifier, comparator, operand } = comparison;
    let subject = subject(identifier)?;
    let key = split_identifier(identifier).1;
    if let Comparator::IsNull | Comparator::IsNotNull = comparator {
        let Subject::Tag(tag) = subject else {
            return Err(Error::invalid(format!(
                "IS NULL / IS NOT NULL is only supported for tags, not for attribute '{key}'"
            )));
        };
        args.push(tag.into());
        let not = if *comparator == Comparator::IsNull { "NOT " } else { "" };
        return Ok(format!(
            "experiments.experiment_id {not}IN (SELECT experiment_id FROM experiment_tags WHERE \"key\" = ?)"
        ));
    }
    match subject {
        Subject::Tag(tag) => {
            let text = quoted_text(operand).unwrap_or_else(|| {
                Err(Error::invalid(format!(
                    "Expected a quoted string value for tag (e.g. 'my-value'). Got value {}",
                    operand.text()
                )))
            })?;
            args.push(tag.into());
            let test = TextTest::new(comparator, TextOperand::One(text))
                .ok_or_else(|| Error::invalid(format!("Invalid comparator for tag: {}", comparator.text())))?
                .sql("value", args);
            Ok(format!(
                "experiments.experiment_id IN (SELECT experiment_id FROM experiment_tags WHERE \"key\" = ? AND {test})"
            ))
        }
        Subject::Name => {
            if let Operand::List(..) = operand {
                return Err(Error::invalid(
                    "Only ['experiment_id'] attributes support comparison with a list of quoted string values.",
                ));
            }
            let text = attribute_text(operand)?;
            let test = TextTest::new(comparator, TextOperand::One(text))
                .ok_or_else(|| compile::invalid_comparator(comparator, TEXT_COMPARATORS))?;
            Ok(test.sql("experiments.name", args))
        }
        Subject::Id => id_condition(comparator, operand, args),
        Subject::Time(column) => {
            args.push(time_value(key, operand)?);
            let comparator = number_comparator(comparator)
                .ok_or_else(|| compile::invalid_comparator(comparator, NUMBER_COMPARATORS))?;
            Ok(format!("experiments.{column} {comparator} ?"))
        }
    }
}

fn id_condition(comparator: &Comparator, operand: &Operand<'_>, args: &mut Vec<Value>) -> Result<String> {
    let texts = match operand {
        Operand::List(text, tokens) => list_texts(text, tokens)?,
        other => vec![attribute_text(other)?],
    };
    let is_list = matches!(operand, Operand::List(..));
    let sign = match comparator {
        Comparator::Equal if !is_list => "=",
        Comparator::NotEqual if !is_list => "!=",
        Comparator::In => "IN",
        Comparator::NotIn => "NOT IN",
        other => {
            return Err(Error::invalid(format!("Invalid comparator for experiment_id: {}", other.text())));
        }
    };
    let marks = vec!["?"; texts.len()].join(",");
    for text in texts {
        args.push(ExperimentId::parse(&text)?.0.into());
    }
    Ok(format!("experiments.experiment_id {sign} ({marks})"))
}

fn attribute_text(operand: &Operand<'_>) -> Result<String> {
    quoted_text(operand).unwrap_or_else(|| {
        Err(Error::invalid(format!("Expected a quoted string value for attributes. Got value {}", operand.text())))
    })
}

fn time_value(key: &str, operand: &Operand<'_>) -> Result<Value> {
    match operand {
        Operand::Integer(text) => text
            .parse::<i64>()
            .map(Value::from)
            .map_err(|_| Error::invalid(format!("Invalid value for numeric attribute '{key}': {text}"))),
        Operand::Float(text) => Err(Error::invalid(format!("Invalid value for numeric attribute '{key}': '{text}'"))),
        other => Err(Error::invalid(format!(
            "Expected numeric value type for numeric attribute: {key}. Found {}",
            other.text()
        ))),
    }
}

fn subject(identifier: &str) -> Result<Subject<'_>> {
    let (entity, key) = split_identifier(identifier);
    match entity {
        None | Some("attribute") => match key {
            "name" => Ok(Subject::Name),
            "experiment_id" => Ok(Subject::Id),
            "creation_time" => Ok(Subject::Time("creation_time")),
            "last_update_time" => Ok(Subject::Time("last_update_time")),
            _ => Err(invalid_key("attribute", key, ATTRIBUTE_KEYS)),
        },
        Some("tag" | "tags") => Ok(Subject::Tag(key)),
        Some(other) => Err(Error::invalid(format!(
            "Invalid entity type '{other}'. Valid entity types are ('attribute', 'tag', 'tags')"
        ))),
    }
}

/// The newest first when nothing is asked; ties go to the higher id.
fn order(order_by: &[String]) -> Result<String> {
    if order_by.is_empty() {
        return Ok("experiments.creation_time DESC, experiments.experiment_id ASC".to_owned());
    }
    let mut columns = Vec::with_capacity(order_by.len() + 1);
    let mut sorts_by_id = false;
    for clause in order_by {
        let ordering = parse_order(clause)?;
        let column = match subject(ordering.identifier)? {
            Subject::Name => "name",
            Subject::Id => "experiment_id",
            Subject::Time(column) => column,
            Subject::Tag(_) => return Err(Error::invalid("Invalid order_by entity: tag")),
        };
        sorts_by_id |= column == "experiment_id";
        columns.push(format!("experiments.{column} {}", if ordering.is_ascending { "ASC" } else { "DESC" }));
    }
    if !sorts_by_id {
        columns.push("experiments.experiment_id DESC".to_owned());
    }
    Ok(columns.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_searched_is_said() {
        let check = |filter: &str, expect: &str| {
            let error = experiments_query(filter, &[], ViewType::All).unwrap_err().to_string();
            assert!(error.starts_with(expect), "{filter}: {error}");
        };
        check("foo = 'x'", "Invalid attribute key 'foo' specified. Valid keys are '{'name', 'experiment_id'");
        check("attributes.name = 'x'", "Invalid entity type 'attributes'. Valid entity types are ('attribute', 'tag'");
        check("name > 'x'", "Invalid comparator '>' not one of '{'!=', '='");
        check("tags.a > 'x'", "Invalid comparator for tag: >");
        check("creation_time LIKE 1", "Invalid comparator 'LIKE' not one of '{'>', '>='");
        check("creation_time > 1.5", "Invalid value for numeric attribute 'creation_time': '1.5'");
        check("experiment_id > '1'", "Invalid comparator for experiment_id: >");
        check("experiment_id = 'x'", "Invalid experiment ID 'x'. Experiment ID must be a valid integer.");
        check("name IS NULL", "IS NULL / IS NOT NULL is only supported for tags, not for attribute 'name'");
    }

    #[test]
    fn conditions_and_order() {
        let found = experiments_query(
            "name ILIKE 'a%' AND experiment_id IN ('1', '2') AND tag.t != 'x'",
            &["name DESC".to_owned()],
            ViewType::ActiveOnly,
        )
        .unwrap();
        assert_eq!(
            found.sql,
            "WHERE experiments.workspace = 'default' AND experiments.lifecycle_stage IN ('active') AND \
             LOWER(experiments.name) LIKE LOWER(?) AND experiments.experiment_id IN (?,?) AND \
             experiments.experiment_id IN (SELECT experiment_id FROM experiment_tags WHERE \"key\" = ? AND value != ?) \
             ORDER BY experiments.name DESC, experiments.experiment_id DESC"
        );
        assert_eq!(found.args, ["a%".into(), 1_i64.into(), 2_i64.into(), "t".into(), Value::from("x")]);
    }
}
