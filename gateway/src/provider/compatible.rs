//! The vendors who speak OpenAI's protocol: one row each.

use std::sync::Arc;

use super::openai::{OpenAi, bearer};
use super::upstream::Upstream;
use super::{Clients, Provider};
use crate::config::{EndpointConfig, Form, Setting};

/// A vendor whose servers take OpenAI's bodies.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// What MLflow, or the vendor's own habit, puts in front of setting names.
    pub(crate) prefix: &'static str,
    /// Where it is, below which `chat/completions` lies; `None` where only the user knows.
    base: Option<&'static str>,
    key: Key,
    quirks: Quirks,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Required,
    Optional,
}

/// How a vendor differs from OpenAI.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quirks {
    /// Whether it must be asked for the token counts of a stream, with `stream_options`. The others send them unasked
    /// and may refuse the field.
    pub(crate) ask_for_usage: bool,
}

const PLAIN: Quirks = Quirks { ask_for_usage: true };
const COUNTS_UNASKED: Quirks = Quirks { ask_for_usage: false };

const fn hosted(name: &'static str, prefix: &'static str, base: &'static str, quirks: Quirks) -> Row {
    Row { name, prefix, base: Some(base), key: Key::Required, quirks }
}

const fn self_hosted(name: &'static str, prefix: &'static str, base: &'static str) -> Row {
    Row { name, prefix, base: Some(base), key: Key::Optional, quirks: PLAIN }
}

/// Ollama where it imitates OpenAI, as its address then tells.
pub(super) const OLLAMA: Row = self_hosted("ollama", "ollama_", "http://127.0.0.1:11434/v1");

/// Addresses are those of recordings and of the vendors' pages where they could be read, else those of
/// LiteLLM 1.110.2, which agree but for `nebius`, `novita`, `github` and `docker-model-runner`.
pub(crate) const ROWS: &[Row] = &[
    hosted("groq", "groq_", "https://api.groq.com/openai/v1", PLAIN),
    hosted("together", "together_", "https://api.together.xyz/v1", PLAIN),
    hosted("togetherai", "togetherai_", "https://api.together.xyz/v1", PLAIN),
    hosted("deepseek", "deepseek_", "https://api.deepseek.com", PLAIN),
    hosted("xai", "xai_", "https://api.x.ai/v1", PLAIN),
    hosted("openrouter", "openrouter_", "https://openrouter.ai/api/v1", PLAIN),
    hosted("fireworks", "fireworks_", "https://api.fireworks.ai/inference/v1", PLAIN),
    hosted("cerebras", "cerebras_", "https://api.cerebras.ai/v1", PLAIN),
    hosted("perplexity", "perplexity_", "https://api.perplexity.ai", COUNTS_UNASKED),
    hosted("nvidia", "nvidia_", "https://integrate.api.nvidia.com/v1", PLAIN),
    hosted("huggingface", "huggingface_", "https://router.huggingface.co/v1", PLAIN),
    hosted("ai21", "ai21_", "https://api.ai21.com/studio/v1", PLAIN),
    hosted("alibaba", "alibaba_", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", PLAIN),
    hosted("baseten", "baseten_", "https://inference.baseten.co/v1", PLAIN),
    hosted("crusoe", "crusoe_", "https://api.inference.crusoecloud.com/v1", PLAIN),
    hosted("deepinfra", "deepinfra_", "https://api.deepinfra.com/v1/openai", PLAIN),
    hosted("hyperbolic", "hyperbolic_", "https://api.hyperbolic.xyz/v1", PLAIN),
    hosted("minimax", "minimax_", "https://api.minimax.io/v1", PLAIN),
    hosted("nebius", "nebius_", "https://api.tokenfactory.nebius.com/v1", PLAIN),
    hosted("novita", "novita_", "https://api.novita.ai/openai/v1", PLAIN),
    hosted("zai", "zai_", "https://api.z.ai/api/paas/v4", PLAIN),
    hosted("sambanova", "sambanova_", "https://api.sambanova.ai/v1", PLAIN),
    hosted("moonshot", "moonshot_", "https://api.moonshot.ai/v1", PLAIN),
    hosted("aiml", "aiml_", "https://api.aimlapi.com/v1", PLAIN),
    hosted("aihubmix", "aihubmix_", "https://aihubmix.com/v1", PLAIN),
    hosted("chutes", "chutes_", "https://llm.chutes.ai/v1", PLAIN),
    hosted("clarifai", "clarifai_", "https://api.clarifai.com/v2/ext/openai/v1", PLAIN),
    hosted("cometapi", "cometapi_", "https://api.cometapi.com/v1", PLAIN),
    hosted("cortecs", "cortecs_", "https://api.cortecs.ai/v1", PLAIN),
    hosted("edenai", "edenai_", "https://api.edenai.run/v3", PLAIN),
    hosted("featherless-ai", "featherless_ai_", "https://api.featherless.ai/v1", PLAIN),
    hosted("friendliai", "friendliai_", "https://api.friendli.ai/serverless/v1", PLAIN),
    hosted("github", "github_", "https://models.github.ai/inference", PLAIN),
    hosted("gmi", "gmi_", "https://api.gmi-serving.com/v1", PLAIN),
    hosted("helicone", "helicone_", "https://ai-gateway.helicone.ai", PLAIN),
    hosted("inception", "inception_", "https://api.inceptionlabs.ai/v1", PLAIN),
    hosted("lambda-ai", "lambda_ai_", "https://api.lambda.ai/v1", PLAIN),
    hosted("meta-llama", "meta_llama_", "https://api.llama.com/compat/v1", PLAIN),
    hosted("modelscope", "modelscope_", "https://api-inference.modelscope.cn/v1", PLAIN),
    hosted("morph", "morph_", "https://api.morphllm.com/v1", PLAIN),
    hosted("nano-gpt", "nano_gpt_", "https://nano-gpt.com/api/v1", PLAIN),
    hosted("nscale", "nscale_", "https://inference.api.nscale.com/v1", PLAIN),
    hosted("ovhcloud", "ovhcloud_", "https://oai.endpoints.kepler.ai.cloud.ovh.net/v1", PLAIN),
    hosted("parasail", "parasail_", "https://api.parasail.io/v1", PLAIN),
    hosted("poe", "poe_", "https://api.poe.com/v1", PLAIN),
    hosted("publicai", "publicai_", "https://api.publicai.co/v1", PLAIN),
    hosted("reka", "reka_", "https://api.reka.ai/v1", PLAIN),
    hosted("scaleway", "scaleway_", "https://api.scaleway.ai/v1", PLAIN),
    hosted("synthetic", "synthetic_", "https://api.synthetic.new/openai/v1", PLAIN),
    hosted("v0", "v0_", "https://api.v0.dev/v1", PLAIN),
    hosted("veniceai", "veniceai_", "https://api.venice.ai/api/v1", PLAIN),
    hosted("vercel-ai-gateway", "vercel_ai_gateway_", "https://ai-gateway.vercel.sh/v1", PLAIN),
    hosted("volcengine", "volcengine_", "https://ark.cn-beijing.volces.com/api/v3", PLAIN),
    hosted("wandb", "wandb_", "https://api.inference.wandb.ai/v1", PLAIN),
    self_hosted("docker-model-runner", "docker_model_runner_", "http://127.0.0.1:12434/engines/v1"),
    self_hosted("lemonade", "lemonade_", "http://127.0.0.1:8000/api/v1"),
    self_hosted("llamafile", "llamafile_", "http://127.0.0.1:8080/v1"),
    self_hosted("vllm", "vllm_", "http://127.0.0.1:8000/v1"),
    self_hosted("llama-cpp", "llama_cpp_", "http://127.0.0.1:8080/v1"),
    self_hosted("sglang", "sglang_", "http://127.0.0.1:30000/v1"),
    self_hosted("litellm-proxy", "litellm_", "http://127.0.0.1:4000/v1"),
    self_hosted("lm-studio", "lm_studio_", "http://127.0.0.1:1234/v1"),
    Row { name: "openai-compatible", prefix: "openai_", base: None, key: Key::Optional, quirks: PLAIN },
];

const HEADERS: Setting = Setting::optional("headers", Form::Headers);
const WITH_KEY: &[Setting] =
    &[Setting::required("api_key", Form::Secret), Setting::optional("api_base", Form::Address), HEADERS];
const WITHOUT_KEY: &[Setting] =
    &[Setting::optional("api_key", Form::Secret), Setting::optional("api_base", Form::Address), HEADERS];
const WITH_BASE: &[Setting] =
    &[Setting::required("api_base", Form::Address), Setting::optional("api_key", Form::Secret), HEADERS];

impl Row {
    pub(crate) fn settings(&self) -> &'static [Setting] {
        match (self.base, self.key) {
            (None, _) => WITH_BASE,
            (Some(_), Key::Required) => WITH_KEY,
            (Some(_), Key::Optional) => WITHOUT_KEY,
        }
    }
}

/// LiteLLM's names of vendors that have another one here.
const OTHER_NAMES: [(&str, &str); 6] = [
    ("dashscope", "alibaba"),
    ("fireworks-ai", "fireworks"),
    ("hosted-vllm", "vllm"),
    ("nvidia-nim", "nvidia"),
    ("together-ai", "together"),
    ("custom-openai", "openai-compatible"),
];

/// The row of a name in plain spelling.
pub(crate) fn find(plain: &str) -> Option<&'static Row> {
    let name = OTHER_NAMES.iter().find(|(other, _)| *other == plain).map_or(plain, |(_, name)| name);
    ROWS.iter().find(|it| it.name == name)
}

/// A vendor who takes OpenAI's bodies and no row describes, behind headers of its own.
pub(super) fn plain(endpoint: &EndpointConfig, upstream: Upstream) -> Arc<dyn Provider> {
    Arc::new(OpenAi::new(endpoint, upstream, PLAIN))
}

pub(super) fn build(
    endpoint: &EndpointConfig,
    row: &'static Row,
    clients: &mut Clients,
) -> Result<Arc<dyn Provider>, String> {
    let upstream = clients.upstream(endpoint, row.base.unwrap_or_default(), bearer(endpoint))?;
    Ok(Arc::new(OpenAi::new(endpoint, upstream, row.quirks)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_has_its_own_name_in_plain_spelling_and_a_sound_address() {
        for (other, name) in OTHER_NAMES {
            assert!(find(other).is_some_and(|it| it.name == name) && ROWS.iter().all(|it| it.name != other), "{other}");
        }
        for (index, row) in ROWS.iter().enumerate() {
            assert_eq!(ROWS.iter().position(|it| it.name == row.name), Some(index), "{} is there twice", row.name);
            assert_eq!(row.name, row.name.to_ascii_lowercase().replace('_', "-"));
            if let Some(base) = row.base {
                assert!(reqwest::Url::parse(base).is_ok_and(|it| !it.path().ends_with("/v1/")), "{base}");
            }
        }
    }
}
