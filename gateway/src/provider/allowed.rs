//! Which providers may be asked at all: MLflow's `MLFLOW_GATEWAY_ALLOWED_PROVIDERS`.

use std::collections::BTreeSet;

/// The variable: names with commas between them; all providers are allowed where it names none.
pub(crate) const VARIABLE: &str = "MLFLOW_GATEWAY_ALLOWED_PROVIDERS";

/// The providers that may be asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Allowed(BTreeSet<String>);

impl Allowed {
    pub(crate) fn read(env: &dyn Fn(&str) -> Option<String>) -> Self {
        let names = env(VARIABLE).unwrap_or_default();
        Self(names.split(',').map(str::trim).filter(|it| !it.is_empty()).map(usual).collect())
    }

    pub(crate) fn allows(&self, provider: &str) -> bool {
        self.0.is_empty() || self.0.contains(&usual(provider))
    }
}

/// A provider's name as lists have it: some have two.
pub(crate) fn usual(provider: &str) -> String {
    match provider.to_lowercase().as_str() {
        "amazon-bedrock" => "bedrock".to_owned(),
        "databricks-model-serving" => "databricks".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_with_commas_between() {
        let check = |text: Option<&str>, provider: &str, expected: bool| {
            let allowed = Allowed::read(&|_| text.map(str::to_owned));
            assert_eq!(allowed.allows(provider), expected, "{text:?} {provider}");
        };
        check(None, "openai", true);
        check(Some(" , "), "openai", true);
        check(Some("OpenAI, amazon-bedrock"), "openai", true);
        check(Some("OpenAI, amazon-bedrock"), "Bedrock", true);
        check(Some("bedrock"), "amazon-bedrock", true);
        check(Some("openai"), "azure", false);
    }
}
