//! Tokens and cost: of one call, and added up over a trace.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::{SpanId, keys};

/// How many tokens a call used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenUsage {
    /// Tokens of the prompt.
    pub input_tokens: Option<i64>,
    /// Tokens of the answer.
    pub output_tokens: Option<i64>,
    /// All tokens.
    pub total_tokens: Option<i64>,
    /// Tokens of the prompt that the provider had in its cache.
    pub cache_read_input_tokens: Option<i64>,
    /// Tokens of the prompt that the provider put into its cache.
    pub cache_creation_input_tokens: Option<i64>,
    /// Those of them that stay for longer than an hour.
    pub cache_creation_input_tokens_above_1hr: Option<i64>,
}

db::record!(TokenUsage {
    input_tokens,
    output_tokens,
    total_tokens,
    cache_read_input_tokens,
    cache_creation_input_tokens,
    cache_creation_input_tokens_above_1hr,
});

/// What a call cost, in US dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// For the prompt.
    pub input_cost: Option<f64>,
    /// For the answer.
    pub output_cost: Option<f64>,
    /// In all.
    pub total_cost: Option<f64>,
}

db::record!(Cost { input_cost, output_cost, total_cost });

impl TokenUsage {
    /// The usage of a call by its two counts.
    pub fn new(input_tokens: i64, output_tokens: i64) -> Self {
        Self {
            input_tokens: Some(input_tokens),
            output_tokens: Some(output_tokens),
            total_tokens: Some(input_tokens.saturating_add(output_tokens)),
            ..Self::default()
        }
    }

    /// Reads MLflow's JSON object, or a text that holds one; what is no whole number is absent.
    pub(crate) fn from_value(value: &Value) -> Option<Self> {
        let object = json_object(value)?;
        let count = |key: &str| object.get(key).and_then(whole_number);
        let mut usage = Self::default();
        for (key, field) in usage.fields_mut() {
            *field = count(key);
        }
        Some(usage)
    }

    /// MLflow's JSON object, without what is not known.
    pub(crate) fn to_value(self) -> Value {
        let known = |(key, count): (&str, Option<i64>)| Some((key.to_owned(), count?.into()));
        self.fields().into_iter().filter_map(known).collect::<Map<_, _>>().into()
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The counts by MLflow's names for them, which are the columns' names too.
    pub(crate) fn fields(self) -> [(&'static str, Option<i64>); 6] {
        let Self {
            input_tokens,
            output_tokens,
            total_tokens,
            cache_read_input_tokens,
            cache_creation_input_tokens,
            cache_creation_input_tokens_above_1hr,
        } = self;
        [
            ("input_tokens", input_tokens),
            ("output_tokens", output_tokens),
            ("total_tokens", total_tokens),
            ("cache_read_input_tokens", cache_read_input_tokens),
            ("cache_creation_input_tokens", cache_creation_input_tokens),
            ("cache_creation_input_tokens_above_1hr", cache_creation_input_tokens_above_1hr),
        ]
    }

    fn fields_mut(&mut self) -> [(&'static str, &mut Option<i64>); 6] {
        [
            ("input_tokens", &mut self.input_tokens),
            ("output_tokens", &mut self.output_tokens),
            ("total_tokens", &mut self.total_tokens),
            ("cache_read_input_tokens", &mut self.cache_read_input_tokens),
            ("cache_creation_input_tokens", &mut self.cache_creation_input_tokens),
            ("cache_creation_input_tokens_above_1hr", &mut self.cache_creation_input_tokens_above_1hr),
        ]
    }

    /// Adds; the three counts that every sum has start at zero.
    fn add(&mut self, other: &Self) {
        let others = other.fields();
        for (place, ((_, sum), (_, count))) in self.fields_mut().into_iter().zip(others).enumerate() {
            let always = (place < 3).then_some(0);
            *sum = match (sum.or(always), count) {
                (Some(sum), count) => Some(sum.saturating_add(count.unwrap_or(0))),
                (None, count) => count,
            };
        }
    }
}

impl Cost {
    /// Reads MLflow's JSON object, or a text that holds one; what is no finite number is absent.
    pub(crate) fn from_value(value: &Value) -> Option<Self> {
        let object = json_object(value)?;
        let amount = |key: &str| object.get(key).and_then(finite_number);
        Some(Self {
            input_cost: amount("input_cost"),
            output_cost: amount("output_cost"),
            total_cost: amount("total_cost"),
        })
    }

    /// MLflow's JSON object, without what is not known.
    pub(crate) fn to_value(self) -> Value {
        let known = |(key, amount): (&str, Option<f64>)| Some((key.to_owned(), amount?.into()));
        self.fields().into_iter().filter_map(known).collect::<Map<_, _>>().into()
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The amounts by MLflow's names for them, which are the columns' names too.
    pub(crate) fn fields(self) -> [(&'static str, Option<f64>); 3] {
        [("input_cost", self.input_cost), ("output_cost", self.output_cost), ("total_cost", self.total_cost)]
    }

    fn add(&mut self, other: &Self) {
        let sum = |a: Option<f64>, b: Option<f64>| Some(a.unwrap_or(0.0) + b.unwrap_or(0.0));
        self.input_cost = sum(self.input_cost, other.input_cost);
        self.output_cost = sum(self.output_cost, other.output_cost);
        self.total_cost = sum(self.total_cost, other.total_cost);
    }
}

/// What one span says of tokens and cost, and where it stands in the tree.
#[derive(Clone, Debug)]
pub(crate) struct Usages {
    pub(crate) span_id: SpanId,
    pub(crate) parent_id: Option<SpanId>,
    pub(crate) usage: Option<TokenUsage>,
    pub(crate) cost: Option<Cost>,
}

impl Usages {
    pub(crate) fn of(span: &super::Span) -> Self {
        Self {
            span_id: span.span_id,
            parent_id: span.parent_id,
            usage: span.attributes.get(keys::CHAT_USAGE).and_then(TokenUsage::from_value),
            cost: span.attributes.get(keys::LLM_COST).and_then(Cost::from_value),
        }
    }
}

/// Adds up a trace; a span that says something speaks for all spans below it, so that nothing is counted twice.
pub(crate) fn aggregate(nodes: &[Usages]) -> (Option<TokenUsage>, Option<Cost>) {
    let by_id: HashMap<SpanId, &Usages> = nodes.iter().map(|it| (it.span_id, it)).collect();
    let (mut usage, mut cost) = (None, None);
    for node in nodes {
        if let Some(own) = &node.usage
            && !any_ancestor(node, &by_id, |it| it.usage.is_some())
        {
            usage.get_or_insert_with(TokenUsage::default).add(own);
        }
        if let Some(own) = &node.cost
            && !any_ancestor(node, &by_id, |it| it.cost.is_some())
        {
            cost.get_or_insert_with(Cost::default).add(own);
        }
    }
    (usage, cost)
}

fn any_ancestor(node: &Usages, by_id: &HashMap<SpanId, &Usages>, speaks: impl Fn(&Usages) -> bool) -> bool {
    let mut seen = HashSet::from([node.span_id]);
    let mut parent = node.parent_id.and_then(|it| by_id.get(&it));
    // Spans come from outside and may name each other as parents in a circle.
    while let Some(it) = parent.filter(|it| seen.insert(it.span_id)) {
        if speaks(it) {
            return true;
        }
        parent = it.parent_id.and_then(|it| by_id.get(&it));
    }
    false
}

fn json_object(value: &Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(object) => Some(object.clone()),
        Value::String(text) => serde_json::from_str(text).ok(),
        _ => None,
    }
}

fn whole_number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().and_then(exact_integer)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the value is whole and within 53 bits")]
fn exact_integer(number: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}

fn finite_number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|it| it.is_finite())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node(id: u8, parent: Option<u8>, usage: Option<(i32, i32)>) -> Usages {
        Usages {
            span_id: SpanId([id; 8]),
            parent_id: parent.map(|it| SpanId([it; 8])),
            usage: usage.map(|(input, output)| TokenUsage::new(input.into(), output.into())),
            cost: usage.map(|(input, _)| Cost { total_cost: Some(input.into()), ..Cost::default() }),
        }
    }

    #[test]
    fn a_span_speaks_for_those_below_it() {
        let check = |nodes: &[Usages], expect: Option<i32>| {
            let (usage, cost) = aggregate(nodes);
            assert_eq!(usage.and_then(|it| it.input_tokens), expect.map(i64::from));
            assert_eq!(cost.and_then(|it| it.total_cost), expect.map(f64::from));
        };
        check(&[], None);
        check(&[node(1, None, None)], None);
        check(&[node(1, None, None), node(2, Some(1), Some((3, 1))), node(3, Some(1), Some((4, 1)))], Some(7));
        check(&[node(1, None, Some((7, 2))), node(2, Some(1), Some((3, 1))), node(3, Some(2), Some((4, 1)))], Some(7));
        // The parent is not here: the span counts.
        check(&[node(2, Some(9), Some((3, 1)))], Some(3));
        // A circle ends.
        check(&[node(1, Some(2), None), node(2, Some(1), Some((5, 0)))], Some(5));
    }

    #[test]
    fn usage_as_mlflow_writes_it() {
        let usage =
            TokenUsage::from_value(&json!({"input_tokens": 10, "output_tokens": "5", "total_tokens": 1.5})).unwrap();
        assert_eq!(usage, TokenUsage { input_tokens: Some(10), output_tokens: Some(5), ..TokenUsage::default() });
        assert_eq!(usage.to_value(), json!({"input_tokens": 10, "output_tokens": 5}));
        assert_eq!(TokenUsage::from_value(&json!("{\"total_tokens\": 3}")).unwrap().total_tokens, Some(3));
        assert_eq!(TokenUsage::from_value(&json!("none")), None);
    }
}
