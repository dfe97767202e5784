//! The names that MLflow gives to what it keeps of traces and spans.

/// Tag: the trace's name; kept in a column of its own.
pub(crate) const TRACE_NAME: &str = "mlflow.traceName";
/// Tag: where files of the trace belong.
pub(crate) const ARTIFACT_LOCATION: &str = "mlflow.artifactLocation";
/// Tag: where the spans are.
pub(crate) const SPANS_LOCATION: &str = "mlflow.trace.spansLocation";
/// Value of [`SPANS_LOCATION`]: in the table `spans`.
pub(crate) const TRACKING_STORE: &str = "TRACKING_STORE";
/// Tag: where an archive has the spans.
pub(crate) const ARCHIVE_LOCATION: &str = "mlflow.trace.archiveLocation";
/// Tag: why an archive does not have the spans.
pub(crate) const ARCHIVAL_FAILURE: &str = "mlflow.trace.archivalFailure";
/// Tag: the prompts that the trace used.
pub(crate) const LINKED_PROMPTS: &str = "mlflow.linkedPrompts";

/// Metadata: the conversation that the trace belongs to; kept in a column of its own.
pub(crate) const SESSION: &str = "mlflow.trace.session";
/// Metadata: whose request it was.
pub(crate) const USER: &str = "mlflow.trace.user";
/// Metadata: tokens of the whole trace; kept in columns of their own.
pub(crate) const TOKEN_USAGE: &str = "mlflow.trace.tokenUsage";
/// Metadata: cost of the whole trace; kept in columns of its own.
pub(crate) const COST: &str = "mlflow.trace.cost";
/// Metadata: the trace's own fields are as its maker wants them; spans no longer change them.
pub(crate) const FINALIZED: &str = "mlflow.trace.infoFinalized";
/// Metadata: how many spans there are and how large they are.
pub(crate) const SIZE_STATS: &str = "mlflow.trace.sizeStats";
/// Metadata: the run that the trace was made in.
pub(crate) const SOURCE_RUN: &str = "mlflow.sourceRun";

/// Span attribute: the trace's id.
pub(crate) const REQUEST_ID: &str = "mlflow.traceRequestId";
/// Span attribute: what went in.
pub(crate) const INPUTS: &str = "mlflow.spanInputs";
/// Span attribute: what came out.
pub(crate) const OUTPUTS: &str = "mlflow.spanOutputs";
/// Span attribute: what kind of step it is, e.g. `CHAT_MODEL`.
pub(crate) const SPAN_TYPE: &str = "mlflow.spanType";
/// Span attribute: the tokens of one call.
pub(crate) const CHAT_USAGE: &str = "mlflow.chat.tokenUsage";
/// Span attribute: the cost of one call.
pub(crate) const LLM_COST: &str = "mlflow.llm.cost";
/// Span attribute: the model that was called.
pub(crate) const MODEL: &str = "mlflow.llm.model";
/// Span attribute: who serves the model.
pub(crate) const MODEL_PROVIDER: &str = "mlflow.llm.provider";
/// Start of the root span's attributes that become tags of the trace.
pub(crate) const TRACE_TAG_PREFIX: &str = "mlflow.traceTag.";
/// OpenTelemetry's name for the conversation.
pub(crate) const OTEL_SESSION: &str = "session.id";
/// OpenTelemetry's name for the conversation in its conventions for language models.
pub(crate) const OTEL_CONVERSATION: &str = "gen_ai.conversation.id";
/// OpenTelemetry's name for the user.
pub(crate) const OTEL_USER: &str = "user.id";
