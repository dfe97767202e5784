//! `/graphql`: the queries that MLflow's web app and its users send, over MLflow's schema.

mod input;
mod plan;
mod project;
mod resolve;
mod schema;
mod types;

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::get,
};
use serde_json::{Map, Value, json};

use crate::{Error, Result, Tracking};
use plan::Ask;
use rest::Body;

/// The longest query's text; the web app's longest has 2 kB.
const QUERY_BYTES_MAX: usize = 64 * 1024;

/// `GET` and `POST` read the query from the body, as MLflow's do.
pub(crate) fn root_routes() -> Router<Tracking> {
    Router::new().route("/graphql", get(answer).post(answer))
}

async fn answer(State(tracking): State<Tracking>, Body(mut request): Body) -> Result<Response> {
    let query = request.required_text("query")?;
    let variables = match request.take("variables")? {
        None => Map::new(),
        Some(Value::Object(variables)) => variables,
        Some(other) => return Err(Error::wrong_type("variables", &other)),
    };
    let name = request.text("operationName")?.filter(|it| !it.is_empty());
    if query.len() > QUERY_BYTES_MAX {
        return Err(Error::TooLarge(format!(
            "The query is longer than {QUERY_BYTES_MAX} bytes; ask for less at once."
        )));
    }
    let document = match graphql_parser::parse_query::<String>(&query) {
        Ok(document) => document.into_static(),
        Err(error) => {
            let words = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
            return Ok((StatusCode::BAD_REQUEST, refused(&format!("Syntax Error: {words}"))).into_response());
        }
    };
    let plan = match plan::plan(&document, name.as_deref(), &variables, tracking.limits()) {
        Ok(plan) => plan,
        Err(words) => return Ok(refused(&words).into_response()),
    };
    let mut data = Map::with_capacity(plan.len());
    let mut errors: Vec<String> = Vec::new();
    for step in plan {
        let value = match step.ask {
            Ask::TypeName(name) => Value::from(name),
            Ask::Field { operation, input, selected } => {
                match resolve::resolve(&tracking, operation, input, &selected).await {
                    Ok(found) => project::object(&selected, &found),
                    Err(failure) => {
                        errors.push(failure.words());
                        Value::Null
                    }
                }
            }
        };
        data.insert(step.key, value);
    }
    let errors = if errors.is_empty() { Value::Null } else { json!(errors) };
    Ok(Json(json!({"data": data, "errors": errors})).into_response())
}

/// The answer to a query that is not executed.
fn refused(words: &str) -> Json<Value> {
    Json(json!({"data": null, "errors": [words]}))
}
