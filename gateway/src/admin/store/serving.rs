//! All that is needed to serve the endpoints of the database, in a query for each kind of thing.

use rest::{Error, Result};

use super::Store;
use super::budgets::Budget;
use super::endpoints::Fallback;
use crate::admin::envelope::Sealed;
use crate::guardrails::Stored;
use crate::recording::{Experiment, Recording, Registered};

/// Models that are served at most: each has a provider in memory. Listings and RPCs go on beyond it.
pub(in crate::admin) const MODELS_MAX: usize = 10_000;

/// Guardrails of all endpoints together at most. With more, none is left out: what was served goes on being served.
const GUARDRAILS_MAX: usize = 10_000;

/// One model of one endpoint, with the secret to call it with.
#[derive(PartialEq)]
pub(in crate::admin) struct ServedModel {
    pub(in crate::admin) endpoint_id: String,
    pub(in crate::admin) endpoint_name: Option<String>,
    pub(in crate::admin) routing_strategy: Option<String>,
    fallback_config_json: Option<String>,
    experiment_id: Option<i64>,
    usage_tracking: bool,
    pub(in crate::admin) mapping_id: String,
    pub(in crate::admin) weight: f64,
    pub(in crate::admin) linkage_type: String,
    pub(in crate::admin) fallback_order: Option<i64>,
    pub(in crate::admin) provider: String,
    pub(in crate::admin) model_name: String,
    pub(in crate::admin) secret_id: Option<String>,
    pub(in crate::admin) secret_name: Option<String>,
    encrypted_value: Option<Vec<u8>>,
    wrapped_dek: Option<Vec<u8>>,
    kek_version: Option<i64>,
    pub(in crate::admin) auth_config: Option<String>,
}

db::record!(ServedModel {
    endpoint_id,
    endpoint_name,
    routing_strategy,
    fallback_config_json,
    experiment_id,
    usage_tracking,
    mapping_id,
    weight,
    linkage_type,
    fallback_order,
    provider,
    model_name,
    secret_id,
    secret_name,
    encrypted_value,
    wrapped_dek,
    kek_version,
    auth_config,
});

impl ServedModel {
    /// The secret as it is kept; none where the model has lost it.
    pub(in crate::admin) fn sealed(&self) -> Option<Sealed> {
        Some(Sealed {
            encrypted_value: self.encrypted_value.clone()?,
            wrapped_dek: self.wrapped_dek.clone()?,
            kek_version: self.kek_version?,
        })
    }

    /// Where the calls of its endpoint are recorded.
    pub(in crate::admin) fn recording(&self) -> Recording {
        Recording {
            registered: Some(Registered {
                id: self.endpoint_id.clone(),
                name: self.endpoint_name.clone().unwrap_or_default(),
            }),
            experiment: self.experiment_id.map_or(Experiment::Own, Experiment::Number),
            is_on: self.usage_tracking,
        }
    }

    /// What its endpoint does when a model fails.
    pub(in crate::admin) fn fallback(&self) -> Option<Fallback> {
        Fallback::read(self.fallback_config_json.as_deref())
    }
}

/// One guardrail of one endpoint.
#[derive(PartialEq)]
pub(in crate::admin) struct ServedGuardrail {
    pub(in crate::admin) endpoint_id: String,
    name: String,
    stage: String,
    action: String,
    rewriter: Option<String>,
    serialized_scorer: String,
}

db::record!(ServedGuardrail { endpoint_id, name, stage, action, rewriter, serialized_scorer });

impl ServedGuardrail {
    pub(in crate::admin) fn stored(&self) -> Stored<'_> {
        Stored {
            name: &self.name,
            stage: &self.stage,
            action: &self.action,
            rewriter: self.rewriter.as_deref(),
            scorer: &self.serialized_scorer,
        }
    }
}

/// All that is served.
#[derive(PartialEq)]
pub(in crate::admin) struct Rows {
    pub(in crate::admin) models: Vec<ServedModel>,
    pub(in crate::admin) budgets: Vec<Budget>,
    pub(in crate::admin) guardrails: Vec<ServedGuardrail>,
}

impl Store {
    pub(in crate::admin) async fn served(&self) -> Result<Rows> {
        let (models, budgets) = (self.served_models().await?, self.served_budgets().await?);
        Ok(Rows { models, budgets, guardrails: self.served_guardrails().await? })
    }

    /// The models of all endpoints, those of one endpoint together.
    async fn served_models(&self) -> Result<Vec<ServedModel>> {
        let sql = format!(
            "SELECT e.endpoint_id, e.name AS endpoint_name, e.routing_strategy, e.fallback_config_json, e.experiment_id, \
             e.usage_tracking, m.mapping_id, \
             m.weight, m.linkage_type, m.fallback_order, d.provider, d.model_name, d.secret_id, s.secret_name, \
             s.encrypted_value, s.wrapped_dek, s.kek_version, s.auth_config FROM endpoints e \
             JOIN endpoint_model_mappings m ON m.endpoint_id = e.endpoint_id \
             JOIN model_definitions d ON d.model_definition_id = m.model_definition_id \
             LEFT JOIN secrets s ON s.secret_id = d.secret_id \
             ORDER BY e.created_at, e.endpoint_id, m.created_at, m.mapping_id LIMIT {}",
            MODELS_MAX + 1
        );
        Ok(self.db.fetch_all(sql, vec![]).await?)
    }

    /// The guardrails of all endpoints, each one's in their order: those without a place come last.
    async fn served_guardrails(&self) -> Result<Vec<ServedGuardrail>> {
        let sql = format!(
            "SELECT c.endpoint_id, g.name, g.stage, g.action, a.name AS rewriter, v.serialized_scorer FROM \
             guardrail_configs c JOIN guardrails g ON g.guardrail_id = c.guardrail_id JOIN scorer_versions v ON \
             v.scorer_id = g.scorer_id AND v.scorer_version = g.scorer_version LEFT JOIN endpoints a ON a.endpoint_id \
             = g.action_endpoint_id ORDER BY c.endpoint_id, CASE WHEN c.execution_order IS NULL THEN 1 ELSE 0 END, \
             c.execution_order, c.guardrail_id LIMIT {}",
            GUARDRAILS_MAX + 1
        );
        let guardrails: Vec<ServedGuardrail> = self.db.fetch_all(sql, vec![]).await?;
        if guardrails.len() > GUARDRAILS_MAX {
            return Err(Error::invalid(format!(
                "the endpoints have more than {GUARDRAILS_MAX} guardrails; remove some"
            )));
        }
        Ok(guardrails)
    }
}
