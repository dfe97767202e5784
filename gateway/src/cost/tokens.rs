//! The tokens of a call, each counted once, by what they cost.

use llm::Usage;
use serde_json::Value;

use super::Tier;

/// Counts of one call that do not overlap, whatever the provider's own counts include in each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tokens {
    /// Text of the input that came from no cache and went to none.
    pub(crate) input: u64,
    pub(crate) cache_read: u64,
    /// Kept for five minutes, or for as long as the provider keeps what it does not say.
    pub(crate) cache_write: u64,
    pub(crate) cache_write_1h: u64,
    pub(crate) audio_input: u64,
    pub(crate) image_input: u64,
    /// Output other than reasoning, audio and images.
    pub(crate) output: u64,
    pub(crate) reasoning: u64,
    pub(crate) audio_output: u64,
    pub(crate) image_output: u64,
    /// Searches of the provider's own.
    pub(crate) searches: u64,
    pub(crate) tier: Tier,
}

impl Tokens {
    /// The counts of a usage in OpenAI's form, where the prompt includes what was cached and the completion what was
    /// reasoned. A provider that counts reasoning apart (xAI) shows it in its total.
    pub(crate) fn of(usage: &Usage) -> Self {
        let rest = |key: &str| usage.rest.get(key);
        if let Some(billed) = rest("billed_units") {
            return Self::billed(billed);
        }
        let (prompt_details, completion_details) = (rest("prompt_tokens_details"), rest("completion_tokens_details"));
        let mut prompt = usage.prompt_tokens;
        // A part is never more than what is left of the whole, so that the parts sum up.
        let mut take = |claimed: u64| {
            let taken = claimed.min(prompt);
            prompt -= taken;
            taken
        };
        let cached = count(prompt_details, "cached_tokens")
            .or_else(|| count_of(rest("prompt_cache_hit_tokens")))
            .or_else(|| count_of(rest("num_cached_tokens")));
        let cache_read = take(cached.unwrap_or(0));
        let written = rest("cache_creation");
        let written_1h = count(written, "ephemeral_1h_input_tokens").unwrap_or(0);
        let all_written = count(prompt_details, "cache_write_tokens")
            .unwrap_or_else(|| count(written, "ephemeral_5m_input_tokens").unwrap_or(0).saturating_add(written_1h));
        let all_written = take(all_written);
        let cache_write_1h = written_1h.min(all_written);
        let audio_input = take(count(prompt_details, "audio_tokens").unwrap_or(0));
        let image_input = take(count(prompt_details, "image_tokens").unwrap_or(0));

        let completion = usage.completion_tokens.unwrap_or(0);
        let claimed = count(completion_details, "reasoning_tokens").unwrap_or(0);
        let counted_apart = usage.total_tokens.saturating_sub(usage.prompt_tokens.saturating_add(completion));
        let is_apart = claimed > 0 && claimed == counted_apart;
        let mut output = if is_apart { completion.saturating_add(claimed) } else { completion };
        let mut take = |claimed: u64| {
            let taken = claimed.min(output);
            output -= taken;
            taken
        };
        let reasoning = take(claimed);
        let audio_output = take(count(completion_details, "audio_tokens").unwrap_or(0));
        let image_output = take(count(completion_details, "image_tokens").unwrap_or(0));
        Self {
            input: prompt,
            cache_read,
            cache_write: all_written - cache_write_1h,
            cache_write_1h,
            audio_input,
            image_input,
            output,
            reasoning,
            audio_output,
            image_output,
            searches: count(rest("server_tool_use"), "web_search_requests")
                .or_else(|| count_of(rest("num_search_queries")))
                .unwrap_or(0),
            tier: rest("service_tier").and_then(Value::as_str).map(Tier::named).unwrap_or_default(),
        }
    }

    /// Cohere's bill, which leaves out what it added to the prompt itself.
    fn billed(units: &Value) -> Self {
        Self {
            input: count_of(units.get("input_tokens")).unwrap_or(0),
            output: count_of(units.get("output_tokens")).unwrap_or(0),
            searches: count_of(units.get("search_units")).unwrap_or(0),
            ..Self::default()
        }
    }

    /// All of the input, which decides whether a call is a long one.
    pub(crate) fn prompt(&self) -> u64 {
        [self.input, self.cache_read, self.cache_write, self.cache_write_1h, self.audio_input, self.image_input]
            .into_iter()
            .fold(0, u64::saturating_add)
    }

    /// All of the output.
    #[cfg(test)]
    pub(crate) fn completion(&self) -> u64 {
        [self.output, self.reasoning, self.audio_output, self.image_output].into_iter().fold(0, u64::saturating_add)
    }
}

fn count(object: Option<&Value>, key: &str) -> Option<u64> {
    count_of(object?.get(key))
}

/// A count; some providers write whole numbers as floats.
fn count_of(value: Option<&Value>) -> Option<u64> {
    let value = value?;
    value.as_u64().or_else(|| value.as_f64().filter(|it| it.fract() == 0.0).and_then(|it| format!("{it}").parse().ok()))
}
