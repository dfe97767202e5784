//! OpenTelemetry's conventions for language models in MLflow's words, so that traces of other instrumentations show what they hold.

use serde_json::{Map, Value, json};

use super::{Span, keys};

/// `gen_ai.operation.name` and the kind of step that it stands for.
const KINDS: &[(&str, &str)] = &[
    ("chat", "CHAT_MODEL"),
    ("create_agent", "AGENT"),
    ("embeddings", "EMBEDDING"),
    ("execute_tool", "TOOL"),
    ("generate_content", "LLM"),
    ("invoke_agent", "AGENT"),
    ("text_completion", "LLM"),
];

/// Attributes that stand for another one, the best first.
const SYNONYMS: &[(&str, &[&str])] = &[
    (keys::INPUTS, &["gen_ai.input.messages", "gen_ai.tool.call.arguments"]),
    (keys::OUTPUTS, &["gen_ai.output.messages", "gen_ai.tool.call.result"]),
    (keys::MODEL, &["gen_ai.response.model", "gen_ai.request.model"]),
    (keys::MODEL_PROVIDER, &["gen_ai.provider.name", "gen_ai.system"]),
];

/// Adds MLflow's attributes for what a span says in OpenTelemetry's; what is there already stays.
pub(crate) fn translate(span: &mut Span) {
    for value in span.attributes.values_mut() {
        unwrap_json_text(value);
    }
    if matches!(span.kind_name(), None | Some("UNKNOWN"))
        && let Some(operation) = span.text_attribute("gen_ai.operation.name")
        && let Some((_, kind)) = KINDS.iter().find(|(name, _)| *name == operation)
    {
        span.attributes.insert(keys::SPAN_TYPE.to_owned(), json!(kind));
    }
    for (ours, theirs) in SYNONYMS {
        if !span.attributes.contains_key(*ours)
            && let Some(value) = theirs.iter().find_map(|it| span.attributes.get(*it)).cloned()
        {
            span.attributes.insert((*ours).to_owned(), value);
        }
    }
    if !span.attributes.contains_key(keys::CHAT_USAGE)
        && let Some(usage) = usage(&span.attributes)
    {
        span.attributes.insert(keys::CHAT_USAGE.to_owned(), usage);
    }
    if !span.attributes.contains_key(keys::MODEL)
        && let Some(model) =
            [keys::INPUTS, keys::OUTPUTS].iter().find_map(|it| span.attributes.get(*it)?["model"].as_str())
    {
        span.attributes.insert(keys::MODEL.to_owned(), json!(model));
    }
}

/// Exporters that only know texts send objects, lists and texts as JSON texts; numbers and truth values stay texts,
/// since `"1"` may well mean the text.
fn unwrap_json_text(value: &mut Value) {
    if let Value::String(text) = value
        && text.starts_with(['{', '[', '"'])
        && let Ok(inner @ (Value::Object(_) | Value::Array(_) | Value::String(_))) = serde_json::from_str(text)
    {
        *value = inner;
    }
}

fn usage(attributes: &Map<String, Value>) -> Option<Value> {
    let count = |key: &str| {
        let value = attributes.get(key)?;
        value.as_i64().or_else(|| value.as_str()?.parse().ok())
    };
    let input = count("gen_ai.usage.input_tokens").or_else(|| count("gen_ai.usage.prompt_tokens"));
    let output = count("gen_ai.usage.output_tokens").or_else(|| count("gen_ai.usage.completion_tokens"));
    let total = input.zip(output).map(|(input, output)| input.saturating_add(output));
    let cache_read = count("gen_ai.usage.cache_read.input_tokens");
    let cache_creation =
        count("gen_ai.usage.cache_write.input_tokens").or_else(|| count("gen_ai.usage.cache_creation.input_tokens"));
    input.or(output)?;
    let usage = super::TokenUsage {
        input_tokens: input,
        output_tokens: output,
        total_tokens: total,
        cache_read_input_tokens: cache_read,
        cache_creation_input_tokens: cache_creation,
        cache_creation_input_tokens_above_1hr: None,
    };
    Some(usage.to_value())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::TraceId;

    #[test]
    fn a_chat_span_of_another_instrumentation() {
        let mut span = Span::root(TraceId::now(), "chat", 1, 2)
            .attribute("gen_ai.operation.name", "chat")
            .attribute("gen_ai.request.model", "m-1")
            .attribute("gen_ai.system", "openai")
            .attribute("gen_ai.input.messages", r#"[{"role": "user", "content": "hi"}]"#)
            .attribute("gen_ai.usage.input_tokens", 7)
            .attribute("gen_ai.usage.output_tokens", "3")
            .attribute("plain", "1");
        translate(&mut span);
        assert_eq!(span.attributes[keys::SPAN_TYPE], "CHAT_MODEL");
        assert_eq!(span.attributes[keys::MODEL], "m-1");
        assert_eq!(span.attributes[keys::MODEL_PROVIDER], "openai");
        assert_eq!(span.attributes[keys::INPUTS], json!([{"role": "user", "content": "hi"}]));
        assert_eq!(
            span.attributes[keys::CHAT_USAGE],
            json!({"input_tokens": 7, "output_tokens": 3, "total_tokens": 10})
        );
        assert_eq!(span.attributes["plain"], "1");
    }

    #[test]
    fn what_is_there_stays() {
        let mut span = Span::root(TraceId::now(), "x", 1, 2)
            .kind("TOOL")
            .inputs(json!({"model": "from-inputs"}))
            .attribute("gen_ai.operation.name", "chat")
            .attribute("gen_ai.input.messages", "other");
        translate(&mut span);
        assert_eq!(span.attributes[keys::SPAN_TYPE], "TOOL");
        assert_eq!(span.attributes[keys::INPUTS], json!({"model": "from-inputs"}));
        assert_eq!(span.attributes[keys::MODEL], "from-inputs");
    }
}
