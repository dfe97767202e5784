//! Searching experiments by attributes and tags.

use db::Dialect;

use super::{
    Query,
    compile::{
        Args, IntegerTest, NUMBER_COMPARATORS, TEXT_COMPARATORS, TextOperand, TextTest, invalid_comparator,
        invalid_comparator_unclosed, invalid_key, is_key, number_comparator, quoted_text,
    },
    list::list_texts,
    parser::{Comparator, Comparison, Grammar, Operand, parse, parse_order, split_identifier},
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
pub(crate) fn experiments_query(filter: &str, order_by: &[String], view: ViewType, dialect: Dialect) -> Result<Query> {
    let clauses = parse(filter, Grammar::Experiments)?;
    let clauses = clauses.iter().map(Clause::read).collect::<Result<Vec<_>>>()?;
    let stages: Vec<String> = view.stages().iter().map(|stage| format!("'{stage}'")).collect();
    let mut sql =
        format!("WHERE experiments.workspace = 'default' AND experiments.lifecycle_stage IN ({})", stages.join(", "));
    let mut args = Args::new(dialect);
    for clause in clauses {
        sql.push_str(" AND ");
        sql.push_str(&clause.sql(&mut args)?);
    }
    sql.push_str(" ORDER BY ");
    sql.push_str(&order(order_by)?);
    Ok(Query { sql, args: args.values })
}

/// A comparison whose value is one that its subject can have; of its comparator that is not known yet.
struct Clause<'f> {
    subject: Subject<'f>,
    key: &'f str,
    comparator: &'f Comparator,
    value: Value<'f>,
}

enum Value<'f> {
    Text(String),
    List(Vec<String>),
    Number(Operand<'f>),
    /// `IS NULL` and `IS NOT NULL` compare with nothing.
    Nothing,
}

impl<'f> Clause<'f> {
    fn read(comparison: &'f Comparison<'f>) -> Result<Self> {
        let Comparison { identifier, comparator, operand } = comparison;
        let subject = subject(identifier)?;
        let key = split_identifier(identifier).1;
        let text = |what: &str| {
            quoted_text(operand).unwrap_or_else(|| {
                Err(Error::invalid(format!("Expected a quoted string value for {what}. Got value {}", operand.text())))
            })
        };
        let value = match (&subject, comparator, operand) {
            (Subject::Tag(_), Comparator::IsNull | Comparator::IsNotNull, _) => Value::Nothing,
            (_, Comparator::IsNull | Comparator::IsNotNull, _) => {
                return Err(Error::invalid(format!(
                    "IS NULL / IS NOT NULL is only supported for tags, not for attribute '{key}'"
                )));
            }
            (Subject::Tag(_), ..) => Value::Text(text("tag (e.g. 'my-value')")?),
            (Subject::Time(_), _, Operand::Integer(_) | Operand::Float(_)) => Value::Number(*operand),
            (Subject::Time(_), ..) => {
                return Err(Error::invalid(format!(
                    "Expected numeric value type for numeric attribute: {key}. Found {}",
                    operand.text()
                )));
            }
            (Subject::Id, _, Operand::List(list)) => Value::List(list_texts(list)?),
            (_, _, Operand::List(_)) => {
                return Err(Error::invalid(
                    "Only ['experiment_id'] attributes support comparison with a list of quoted string values.",
                ));
            }
            (Subject::Name | Subject::Id, ..) => Value::Text(text("attributes")?),
        };
        Ok(Self { subject, key, comparator, value })
    }

    fn sql(self, args: &mut Args) -> Result<String> {
        let Self { subject, key, comparator, value } = self;
        let test = |text| TextTest::new(comparator, TextOperand::One(text));
        match (subject, value) {
            (Subject::Tag(tag), Value::Text(text)) => {
                let test = test(text)
                    .ok_or_else(|| Error::invalid(format!("Invalid comparator for tag: {}", comparator.text())))?;
                let is_key = is_key("experiment_tags.\"key\"", tag, args);
                let test = test.sql("experiment_tags.value", args);
                Ok(format!(
                    "experiments.experiment_id IN (SELECT experiment_tags.experiment_id FROM experiment_tags \
                     WHERE {is_key} AND {test})"
                ))
            }
            (Subject::Tag(tag), _) => {
                args.push(tag);
                let not = if *comparator == Comparator::IsNull { "NOT " } else { "" };
                Ok(format!(
                    "experiments.experiment_id {not}IN (SELECT experiment_id FROM experiment_tags WHERE \"key\" = ?)"
                ))
            }
            (Subject::Id, Value::Text(text)) => id_condition(comparator, vec![text], false, args),
            (Subject::Id, Value::List(texts)) => id_condition(comparator, texts, true, args),
            (Subject::Time(column), Value::Number(operand)) => {
                // MLflow names the comparators of texts here.
                let comparator = number_comparator(comparator)
                    .ok_or_else(|| invalid_comparator_unclosed(comparator, TEXT_COMPARATORS))?;
                let invalid = |shown| Error::invalid(format!("Invalid value for numeric attribute '{key}': {shown}"));
                if let Operand::Float(text) = operand {
                    let shown = text.parse::<f64>().map_or_else(|_| text.to_owned(), |number| format!("{number:?}"));
                    return Err(invalid(format!("'{shown}'")));
                }
                let test = IntegerTest::new(comparator, &operand).ok_or_else(|| invalid(operand.text().to_owned()))?;
                Ok(test.sql(&format!("experiments.{column}"), args))
            }
            (_, Value::Text(text)) => {
                let test = test(text).ok_or_else(|| invalid_comparator(comparator, TEXT_COMPARATORS))?;
                Ok(test.sql("experiments.name", args))
            }
            _ => Err(invalid_comparator(comparator, NUMBER_COMPARATORS)),
        }
    }
}

fn id_condition(comparator: &Comparator, texts: Vec<String>, is_list: bool, args: &mut Args) -> Result<String> {
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
        args.push(ExperimentId::parse(&text)?.0);
    }
    Ok(format!("experiments.experiment_id {sign} ({marks})"))
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
        let column = match subject(&ordering.identifier)? {
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
            let error = experiments_query(filter, &[], ViewType::All, Dialect::Sqlite).unwrap_err().to_string();
            assert!(error.starts_with(expect), "{filter}: {error}");
        };
        check("foo = 'x'", "Invalid attribute key 'foo' specified. Valid keys are '{'name', 'experiment_id'");
        check("attributes.name = 'x'", "Invalid entity type 'attributes'. Valid entity types are ('attribute', 'tag'");
        check("name > 'x'", "Invalid comparator '>' not one of '{'!=', '='");
        check("tags.a > 'x'", "Invalid comparator for tag: >");
        check("creation_time LIKE 1", "Invalid comparator 'LIKE' not one of '{'!=', '='");
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
            Dialect::Sqlite,
        )
        .unwrap();
        assert_eq!(
            found.sql,
            "WHERE experiments.workspace = 'default' AND experiments.lifecycle_stage IN ('active') AND \
             LOWER(experiments.name) LIKE LOWER(?) AND experiments.experiment_id IN (?,?) AND \
             experiments.experiment_id IN (SELECT experiment_tags.experiment_id FROM experiment_tags WHERE \
             experiment_tags.\"key\" = ? AND experiment_tags.value != ?) ORDER BY experiments.name DESC, experiments.experiment_id DESC"
        );
        assert_eq!(found.args, ["a%".into(), 1_i64.into(), 2_i64.into(), "t".into(), db::Value::from("x")]);
    }
}
