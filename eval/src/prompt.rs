//! Prompt templates: Jinja over the row's columns, checked against the columns before anything is asked.

use std::sync::LazyLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, UndefinedBehavior};
use serde_json::{Map, Value};

use crate::dataset::Dataset;
use crate::error::nearest;
use crate::{Error, Result};

/// A named prompt: the turns of a chat, each a template.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Prompt {
    pub(crate) name: String,
    pub(crate) messages: Vec<Turn>,
}

/// One turn of a prompt.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Turn {
    pub(crate) role: String,
    pub(crate) template: String,
}

impl Prompt {
    /// A prompt of one user turn.
    pub(crate) fn text(name: &str, template: &str) -> Self {
        let turn = Turn { role: "user".to_owned(), template: template.to_owned() };
        Self { name: name.to_owned(), messages: vec![turn] }
    }

    /// Finds templates that do not parse and names that are no column.
    pub(crate) fn check(&self, dataset: &Dataset) -> Result<()> {
        for turn in &self.messages {
            check_template(&turn.template, dataset, &[])
                .map_err(|it| Error::Config(format!("prompt `{}`: {it}", self.name)))?;
        }
        Ok(())
    }

    /// The turns for one row, as OpenAI's messages.
    pub(crate) fn render(&self, row: &Map<String, Value>) -> Result<Vec<Value>, String> {
        let turn = |turn: &Turn| {
            let content =
                render(&turn.template, &context(row, [])).map_err(|it| format!("prompt `{}`: {it}", self.name))?;
            Ok(serde_json::json!({"role": turn.role, "content": content}))
        };
        self.messages.iter().map(turn).collect()
    }
}

/// The values that a template or expression sees: each column by its name, all of them as `row`, and `more`.
pub(crate) fn context<const N: usize>(row: &Map<String, Value>, more: [(&str, Value); N]) -> Value {
    let mut context = row.clone();
    context.insert("row".to_owned(), Value::Object(row.clone()));
    context.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value)));
    Value::Object(context)
}

/// Renders one template.
pub(crate) fn render(template: &str, context: &Value) -> Result<String, String> {
    environment().render_str(template, minijinja::value::Serde(context)).map_err(|it| words(&it))
}

/// Evaluates an expression to a truth value.
pub(crate) fn is_true(expression: &str, context: &Value) -> Result<bool, String> {
    let expression = environment().compile_expression(expression).map_err(|it| words(&it))?;
    Ok(expression.eval(minijinja::value::Serde(context)).map_err(|it| words(&it))?.is_true())
}

/// Checks that a template parses and uses only columns, `row`, and `more`.
pub(crate) fn check_template(template: &str, dataset: &Dataset, more: &[&str]) -> Result<(), String> {
    let template = environment().template_from_str(template).map_err(|it| words(&it))?;
    check_names(template.undeclared_variables(false), dataset, more)
}

/// Checks that an expression parses and uses only columns, `row`, and `more`.
pub(crate) fn check_expression(expression: &str, dataset: &Dataset, more: &[&str]) -> Result<(), String> {
    let expression = environment().compile_expression(expression).map_err(|it| words(&it))?;
    check_names(expression.undeclared_variables(false), dataset, more)
}

fn check_names(names: impl IntoIterator<Item = String>, dataset: &Dataset, more: &[&str]) -> Result<(), String> {
    let mut names: Vec<String> = names.into_iter().collect();
    names.sort();
    for name in names {
        let is_known = dataset.columns.contains(&name)
            || name == "row"
            || more.contains(&name.as_str())
            || environment().globals().any(|it| it.0 == name);
        if !is_known {
            let hint = nearest(&name, dataset.columns.iter().map(String::as_str).chain(more.iter().copied()));
            return Err(format!("`{name}` is no column of {}{hint}", dataset.shown()));
        }
    }
    Ok(())
}

fn environment() -> &'static Environment<'static> {
    /// Steps that one template may take: a loop written by mistake must not hang a run.
    const FUEL: u64 = 1_000_000;
    static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.set_syntax(
            SyntaxConfig::builder().keep_trailing_newline(true).build().expect("the delimiters are the usual ones"),
        );
        environment.set_fuel(Some(FUEL));
        environment
    });
    &ENVIRONMENT
}

fn words(error: &minijinja::Error) -> String {
    match (error.detail(), error.line()) {
        (Some(detail), Some(line)) => format!("{} in line {line}: {detail}", error.kind()),
        (Some(detail), None) => format!("{}: {detail}", error.kind()),
        (None, Some(line)) => format!("{} in line {line}", error.kind()),
        (None, None) => error.kind().to_string(),
    }
}
