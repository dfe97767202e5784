//! Variants: every combination of target, prompt and parameters that a suite compares.

use serde_json::{Map, Value};

use crate::error::nearest;
use crate::suite::Suite;
use crate::{Error, Result};

/// One column of the comparison.
#[derive(Clone, Debug)]
pub(crate) struct Variant {
    /// `target/prompt/params`, axes of length one left out.
    pub(crate) name: String,
    /// Position of the target in the suite.
    pub(crate) target: usize,
    /// Position of the prompt in the suite; none for predictions.
    pub(crate) prompt: Option<usize>,
    /// The parameters of a call.
    pub(crate) params: Map<String, Value>,
    /// What sets this variant apart, for the run's params: axis and value.
    pub(crate) axes: Vec<(String, String)>,
}

/// Variants at most: a grid beyond this was not meant.
const VARIANTS_MAX: usize = 1000;

/// The grid of a suite, filtered by `--only`.
pub(crate) fn grid(suite: &Suite) -> Result<Vec<Variant>> {
    let points: usize = suite.params.iter().map(|it| it.values.len()).product();
    let size = points.saturating_mul(suite.prompts.len().max(1)).saturating_mul(suite.targets.len());
    if size > VARIANTS_MAX {
        return Err(Error::Config(format!(
            "{}: targets × prompts × params give {size} variants, at most {VARIANTS_MAX} are allowed",
            suite.file.display()
        )));
    }
    let mut variants = Vec::new();
    for (target, of_suite) in suite.targets.iter().enumerate() {
        if !of_suite.is_asked() {
            let axes = vec![("target".to_owned(), of_suite.name.clone())];
            let name = of_suite.name.clone();
            variants.push(Variant { name, target, prompt: None, params: Map::new(), axes });
            continue;
        }
        for (prompt, template) in suite.prompts.iter().enumerate() {
            for point in points_of(suite) {
                let mut parts = Vec::new();
                if suite.targets.len() > 1 {
                    parts.push(of_suite.name.clone());
                }
                if suite.prompts.len() > 1 {
                    parts.push(template.name.clone());
                }
                let varying: Vec<String> = suite
                    .params
                    .iter()
                    .zip(&point)
                    .filter(|it| it.0.values.len() > 1)
                    .map(|(param, value)| format!("{}={}", param.name, plain(value)))
                    .collect();
                if !varying.is_empty() {
                    parts.push(varying.join(","));
                }
                let name = if parts.is_empty() { of_suite.name.clone() } else { parts.join("/") };
                let params: Map<String, Value> =
                    suite.params.iter().map(|it| it.name.clone()).zip(point.iter().map(|it| (*it).clone())).collect();
                let mut axes = vec![("target".to_owned(), of_suite.name.clone())];
                axes.push(("prompt".to_owned(), template.name.clone()));
                axes.extend(params.iter().map(|(name, value)| (name.clone(), plain(value))));
                variants.push(Variant { name, target, prompt: Some(prompt), params, axes });
            }
        }
    }
    only(suite, variants)
}

fn points_of(suite: &Suite) -> Vec<Vec<&Value>> {
    let mut points: Vec<Vec<&Value>> = vec![Vec::new()];
    for param in &suite.params {
        let longer =
            |point: &Vec<_>| param.values.iter().map(|it| [point.as_slice(), &[it]].concat()).collect::<Vec<_>>();
        points = points.iter().flat_map(longer).collect();
    }
    points
}

fn only(suite: &Suite, variants: Vec<Variant>) -> Result<Vec<Variant>> {
    for (axis, name) in &suite.only {
        let known: Vec<&str> = match axis.as_str() {
            "prompt" => suite.prompts.iter().map(|it| it.name.as_str()).collect(),
            _ => suite.targets.iter().map(|it| it.name.as_str()).collect(),
        };
        if !known.contains(&name.as_str()) {
            let hint = nearest(name, known);
            return Err(Error::Config(format!("--only {axis}={name}: the suite has no {axis} `{name}`{hint}")));
        }
    }
    let names =
        |axis: &str| -> Vec<&str> { suite.only.iter().filter(|it| it.0 == axis).map(|it| it.1.as_str()).collect() };
    let (targets, prompts) = (names("target"), names("prompt"));
    let kept: Vec<Variant> = variants
        .into_iter()
        .filter(|it| targets.is_empty() || targets.contains(&suite.targets[it.target].name.as_str()))
        .filter(|it| {
            prompts.is_empty() || it.prompt.is_some_and(|it| prompts.contains(&suite.prompts[it].name.as_str()))
        })
        .collect();
    if kept.is_empty() {
        return Err(Error::Config("--only leaves no variant".to_owned()));
    }
    Ok(kept)
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}
