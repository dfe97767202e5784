//! The configuration file: MLflow's deployments-server YAML, read with exact complaints.

mod cache;
mod database;
mod guardrails;
mod keys;
mod measures;
mod otlp;
mod prices;
mod quotas;
mod record;
mod recording;
mod resilience;
mod settings;
mod sign_in;
mod tree;

use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use yaml::Node;

use crate::ConfigError;
use crate::access::{AccessConfig, Hasher};
use crate::cost::Prices;
use crate::dispatch::{GateConfig, PolicyConfig};
use crate::endpoint::Kind;
use crate::health::BreakerConfig;
use crate::limits::{Limit, Period};
use crate::losses::OnLoss;
use crate::otlp::OtlpConfig;
use crate::provider::allowed::{Allowed, VARIABLE as ALLOWED};
use crate::provider::{self, Vendor};
use crate::quota::QuotaConfig;
use crate::recording::{RecordConfig, Recording};
use crate::routing::Strategy;
use crate::screen::ScreenConfig;

pub(crate) use database::{Origin, endpoint_of, moment_of, rules_of_key};
pub(crate) use settings::{Form, Setting, Settings};
use settings::{Outside, World, suggest};
use tree::{Place, Table};

/// Bytes that a configuration file may have: a thousand times what the largest seen has, so that a wrong path (a
/// model, a database) is refused before it fills the memory.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// What a gateway serves. The default serves nothing.
#[derive(Clone, Debug, Default)]
pub struct Config {
    pub(crate) file: PathBuf,
    pub(crate) endpoints: Vec<EndpointConfig>,
    pub(crate) routes: Vec<RouteConfig>,
    pub(crate) prices: Prices,
    pub(crate) access: AccessConfig,
    pub(crate) quotas: QuotaConfig,
    pub(crate) otlp: Option<OtlpConfig>,
    /// What is recorded of calls, where their endpoint says nothing of it.
    pub(crate) record: RecordConfig,
}

#[derive(Clone, Debug)]
pub(crate) struct EndpointConfig {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) vendor: Vendor,
    pub(crate) model: String,
    pub(crate) settings: Settings,
    pub(crate) limit: Option<Limit>,
    pub(crate) timeouts: Timeouts,
    pub(crate) on_loss: OnLoss,
    pub(crate) policy: PolicyConfig,
    pub(crate) gate: Option<GateConfig>,
    pub(crate) breaker: BreakerConfig,
    pub(crate) origin: Origin,
    pub(crate) screen: ScreenConfig,
    /// Where its calls are recorded, where that is not the usual place.
    pub(crate) recording: Option<Arc<Recording>>,
    /// What is recorded of its calls.
    pub(crate) record: RecordConfig,
    /// Where the model stands in the file, for what is only found wrong when it is opened.
    pub(crate) line: u64,
    pub(crate) key: String,
}

impl EndpointConfig {
    /// Whether somebody over the API chose the server that it asks: keys that this machine has for itself, in its
    /// environment or from its cloud, must not go there.
    pub(crate) fn leads_elsewhere(&self) -> bool {
        self.origin != Origin::File && self.settings.address("api_base").is_some()
    }
}

#[derive(Clone, Debug)]
pub(crate) struct RouteConfig {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) destinations: Vec<(String, u32)>,
    pub(crate) strategy: Strategy,
    pub(crate) policy: PolicyConfig,
    pub(crate) origin: Origin,
    pub(crate) limit: Option<Limit>,
    pub(crate) screen: ScreenConfig,
    pub(crate) recording: Option<Arc<Recording>>,
    pub(crate) record: RecordConfig,
}

impl RouteConfig {
    /// A route of the database, which answers what it is asked.
    pub(crate) fn of_database(name: String, destinations: Vec<(String, u32)>, policy: PolicyConfig) -> Self {
        let origin = Origin::Database { must_be_public: true };
        let (strategy, screen) = (Strategy::TrafficSplit, ScreenConfig::default());
        Self {
            name,
            kind: Kind::Chat,
            destinations,
            strategy,
            policy,
            origin,
            limit: None,
            screen,
            recording: None,
            record: RecordConfig::default(),
        }
    }
}

/// How long an upstream may take. In the file: `timeouts: {connect_ms, first_byte_ms, idle_ms, total_ms}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a connection stands, TLS included.
    pub connect: Duration,
    /// Until the head of the answer: for a unary call, that is the whole generation.
    pub first_byte: Duration,
    /// Between two pieces of a streamed answer.
    pub idle: Duration,
    /// For the whole call, streams included.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            // A reachable host answers within a second or two; more only hides that it is down.
            connect: Duration::from_secs(10),
            // The official clients wait 600 s for an answer, reasoning models use minutes of it.
            first_byte: Duration::from_mins(10),
            // Providers send keep-alives or tokens far more often than this.
            idle: Duration::from_mins(2),
            total: Duration::from_hours(1),
        }
    }
}

/// MLflow's variable for the time of a call, in seconds.
const TIMEOUT_VARIABLE: &str = "MLFLOW_GATEWAY_ROUTE_TIMEOUT_SECONDS";

impl Timeouts {
    /// Those of endpoints that name none: the defaults, with the time that MLflow's variable gives a whole call.
    pub(crate) fn usual(env: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        let Some(text) = env(TIMEOUT_VARIABLE).filter(|it| !it.trim().is_empty()) else { return Ok(Self::default()) };
        match text.trim().parse::<u32>() {
            Ok(seconds @ 1..) => Ok(Self { total: Duration::from_secs(seconds.into()), ..Self::default() }),
            _ => Err(format!("{TIMEOUT_VARIABLE} is `{text}`; it must be a number of whole seconds, such as 300")),
        }
    }
}

impl Config {
    /// Reads a file. Keys written as `$NAME` come from the environment.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        Self::load_with_env(file, &|name| std::env::var(name).ok())
    }

    /// What a gateway without a file is told by the environment.
    pub fn of_environment() -> Result<Self, ConfigError> {
        let env = Outside { variable: &|name| std::env::var(name).ok(), origin: Origin::File, redis: None };
        let otlp = otlp::of_environment(&env).map_err(ConfigError::Start)?;
        let access = sign_in::access(None, &env)?;
        let quotas = QuotaConfig { redis: quotas::redis_of_environment(&env)?, ..QuotaConfig::default() };
        Ok(Self { access, quotas, otlp, ..Self::default() })
    }

    /// Reads a file; `env` gives the value of a variable.
    pub fn load_with_env(file: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable { file: file.to_owned(), source };
        let mut text = String::new();
        // The length that a device or a pipe claims says nothing, so what is read is counted.
        let source = std::fs::File::open(file).map_err(unreadable)?;
        source.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
        if text.len() as u64 > FILE_BYTES_MAX {
            let words = format!("it has more than {FILE_BYTES_MAX} bytes, which is no configuration");
            return Err(unreadable(std::io::Error::other(words)));
        }
        let root: Node = serde_saphyr::from_str(&text).map_err(|error| ConfigError::Syntax {
            file: file.to_owned(),
            line: error.location().map_or(0, |it| it.line()),
            // Without the excerpt, which might show a key.
            message: error.without_snippet().render_with_formatter(&serde_saphyr::UserMessageFormatter),
        })?;
        parse(&Place::root(file, &root), &Outside { variable: env, origin: Origin::File, redis: None })
    }
}

fn parse(root: &Place<'_>, env: &Outside<'_>) -> Result<Config, ConfigError> {
    let mut table = root.table().map_err(|_| {
        root.error("the file must hold a table with the key `endpoints`; write `endpoints:` and a list of endpoints")
    })?;
    let list = table.need("endpoints", "endpoints: [{name: …, endpoint_type: …, model: …}]")?;
    let routes = table.take("routes");
    let prices = table.take("prices").map(|it| prices::read(&it)).transpose()?.unwrap_or_default();
    let mut access = sign_in::access(table.take("admin").as_ref(), env)?;
    if let Some(place) = table.take("auth") {
        access.is_closed = keys::auth(&place)?;
    }
    if let Some(place) = table.take("keys") {
        access.keys = keys::read(&place, env, &Hasher::new(access.pepper.as_ref()))?;
    }
    let mut rules = table.take("limits").map(|it| quotas::limits(&it)).transpose()?.unwrap_or_default();
    rules.extend(table.take("budgets").map(|it| quotas::budgets(&it, env)).transpose()?.unwrap_or_default());
    let redis = match table.take("redis") {
        Some(it) => Some(quotas::redis(&it, env)?),
        None => quotas::redis_of_environment(env)?,
    };
    let env = &Outside { redis: redis.as_ref().map(|it| &it.url), ..*env };
    let quotas = QuotaConfig { rules, redis: redis.clone() };
    let otlp = match table.take("otlp") {
        Some(it) => Some(otlp::read(&it, env)?),
        None => otlp::of_environment(env).map_err(ConfigError::Start)?,
    };

    let record = table.take("record").map(|it| record::read(&it)).transpose()?.unwrap_or_default();
    table.finish(&[
        "endpoints",
        "routes",
        "prices",
        "admin",
        "auth",
        "keys",
        "limits",
        "budgets",
        "redis",
        "otlp",
        "record",
    ])?;

    let mut lines = HashMap::new();
    let endpoints = list.list()?.iter().map(|it| endpoint(it, &mut lines, env)).collect::<Result<Vec<_>, _>>()?;
    let routes = match routes {
        Some(routes) => {
            routes.list()?.iter().map(|it| route(it, &endpoints, &mut lines, env)).collect::<Result<_, _>>()?
        }
        None => Vec::new(),
    };
    resilience::check_fallbacks(root.file(), &endpoints, &routes)?;
    let config = Config {
        file: root.file().to_owned(),
        endpoints,
        routes,
        prices: Prices::new(prices),
        access,
        quotas,
        otlp,
        record,
    };
    guardrails::check_judges(&config)?;
    cache::check_vectors(&config)?;
    Ok(config)
}

const ENDPOINT_KEYS: &[&str] = &[
    "name",
    "endpoint_type",
    "model",
    "limit",
    "timeouts",
    "unsupported_fields",
    "cache",
    "guardrails",
    "retries",
    "fallbacks",
    "hedge",
    "concurrency",
    "breaker",
    "experiment",
    "record",
];
const ROUTE_KEYS: &[&str] = &[
    "name",
    "task_type",
    "destinations",
    "routing_strategy",
    "sticky_by",
    "limit",
    "cache",
    "guardrails",
    "retries",
    "fallbacks",
    "hedge",
    "experiment",
    "record",
];

fn endpoint(
    place: &Place<'_>,
    lines: &mut HashMap<String, u64>,
    env: &Outside<'_>,
) -> Result<EndpointConfig, ConfigError> {
    let mut table = place.table()?;
    if let Some(old) = table.take("route_type") {
        return Err(old.error("is MLflow's old name of this key; write `endpoint_type`"));
    }
    let name = name(&mut table, lines)?;
    let kind = kind(&table.need("endpoint_type", "endpoint_type: llm/v1/chat")?)?;
    let model = table.need("model", "model: {provider: openai, name: gpt-5-mini, config: {…}}")?;
    let limit = table.take("limit").map(|it| limit(&it)).transpose()?;
    let usual = Timeouts::usual(env.variable).map_err(ConfigError::Start)?;
    let timeouts = table.take("timeouts").map(|it| timeouts(&it, usual)).transpose()?.unwrap_or(usual);
    let on_loss = table.take("unsupported_fields").map(|it| on_loss(&it)).transpose()?.unwrap_or_default();
    let screen = screen(&mut table, &World { env, endpoint: &name })?;
    let policy = resilience::policy(&mut table)?;
    let gate = table.take("concurrency").map(|it| resilience::concurrency(&it)).transpose()?;
    let breaker = table.take("breaker").map(|it| resilience::breaker(&it)).transpose()?.unwrap_or_default();
    let recording = table.take("experiment").map(|it| recording::experiment(&it)).transpose()?;
    let record = table.take("record").map(|it| record::read(&it)).transpose()?.unwrap_or_default();
    table.finish(ENDPOINT_KEYS)?;

    let mut table = model.table()?;
    let provider = table.need("provider", "provider: openai")?;
    let vendor = vendor(&provider)?;
    if !Allowed::read(env.variable).allows(vendor.name) {
        return Err(provider.error(format!(
            "`{}` is none of the providers that {ALLOWED} allows; name it there, or choose another one",
            vendor.name
        )));
    }
    let model_name = table.need("name", "name: the provider's name of the model")?.text()?.to_owned();
    let config = table.take("config");
    table.finish(&["provider", "name", "config"])?;
    let world = World { env, endpoint: &name };
    let settings = settings::read(config.as_ref(), &model, vendor.name, vendor.prefix, vendor.settings, &world)?;
    Ok(EndpointConfig {
        name,
        kind,
        vendor,
        model: model_name,
        settings,
        limit,
        timeouts,
        on_loss,
        policy,
        gate,
        breaker,
        origin: env.origin,
        screen,
        recording,
        record,
        line: model.line(),
        key: model.key().to_owned(),
    })
}

fn route(
    place: &Place<'_>,
    endpoints: &[EndpointConfig],
    lines: &mut HashMap<String, u64>,
    env: &Outside<'_>,
) -> Result<RouteConfig, ConfigError> {
    let mut table = place.table()?;
    let name = name(&mut table, lines)?;
    let kind = kind(&table.need("task_type", "task_type: llm/v1/chat")?)?;
    let destinations = table.need("destinations", "destinations: [{name: …, traffic_percentage: 100}]")?;
    let strategy = resilience::strategy(&mut table)?;
    let limit = table.take("limit").map(|it| limit(&it)).transpose()?;
    let screen = screen(&mut table, &World { env, endpoint: &name })?;
    let policy = resilience::policy(&mut table)?;
    let recording = table.take("experiment").map(|it| recording::experiment(&it)).transpose()?;
    let record = table.take("record").map(|it| record::read(&it)).transpose()?.unwrap_or_default();
    table.finish(ROUTE_KEYS)?;

    let mut shares: Vec<(String, u32)> = Vec::new();
    for place in destinations.list()? {
        let mut table = place.table()?;
        let destination = table.need("name", "name: the name of an endpoint")?;
        let share_place = table.need("traffic_percentage", "traffic_percentage: 50")?;
        table.finish(&["name", "traffic_percentage"])?;
        let text = destination.text()?;
        let Some(endpoint) = endpoints.iter().find(|it| it.name == text) else {
            let hint = suggest(text, endpoints.iter().map(|it| it.name.as_str()));
            return Err(destination.error(format!("`{text}` is no endpoint of this file{hint}")));
        };
        if endpoint.kind != kind {
            return Err(destination.error(format!(
                "endpoint `{text}` is of type {}, but the route `{name}` splits calls of type {kind}; \
                 name endpoints of that type",
                endpoint.kind
            )));
        }
        if shares.iter().any(|(it, _)| it == text) {
            return Err(destination.error(format!("`{text}` is named twice; add its shares up into one destination")));
        }
        let share = share_place.count(0)?;
        if share > 100 {
            return Err(share_place.error(format!("must be a percentage from 0 to 100, but is `{share}`")));
        }
        shares.push((text.to_owned(), share));
    }
    let sum: u32 = shares.iter().map(|(_, share)| share).sum();
    if sum != 100 {
        return Err(destinations.error(format!(
            "the traffic percentages of route `{name}` sum to {sum}; change them so that they sum to 100"
        )));
    }
    Ok(RouteConfig {
        name,
        kind,
        destinations: shares,
        origin: Origin::File,
        strategy,
        policy,
        limit,
        screen,
        recording,
        record,
    })
}

/// What an endpoint or a route wants done to its calls.
fn screen(table: &mut Table<'_>, world: &World<'_>) -> Result<ScreenConfig, ConfigError> {
    let cache = table.take("cache").map(|it| cache::read(&it, world)).transpose()?;
    let guardrails = table.take("guardrails").map(|it| guardrails::read(&it, world)).transpose()?.unwrap_or_default();
    Ok(ScreenConfig { cache, guardrails })
}

/// A name that no other endpoint or route has, and that can stand in an address.
fn name(table: &mut Table<'_>, lines: &mut HashMap<String, u64>) -> Result<String, ConfigError> {
    let place = table.need("name", "name: my-endpoint")?;
    let name = place.text()?;
    if !name.chars().all(|it| it.is_ascii_alphanumeric() || matches!(it, '_' | '-' | '.')) {
        return Err(
            place.error(format!("`{name}` cannot stand in an address; use letters, digits, `-`, `_` and `.` only"))
        );
    }
    if name.chars().all(|it| it == '.') {
        return Err(place.error(format!("`{name}` means a folder in an address; use at least one letter or digit")));
    }
    if let Some(line) = lines.insert(name.to_owned(), place.line()) {
        return Err(place
            .error(format!("`{name}` is already the name of the endpoint or route in line {line}; choose another")));
    }
    Ok(name.to_owned())
}

fn kind(place: &Place<'_>) -> Result<Kind, ConfigError> {
    let text = place.text()?;
    Kind::named(text).ok_or_else(|| {
        let hint = suggest(text, Kind::ALL.into_iter().map(Kind::as_str));
        let all = Kind::ALL.map(Kind::as_str).join(", ");
        place.error(format!("`{text}` is no endpoint type{hint}; the types are {all}"))
    })
}

fn vendor(place: &Place<'_>) -> Result<Vendor, ConfigError> {
    let text = place.text()?;
    provider::find(text).ok_or_else(|| {
        let offered = provider::names().collect::<Vec<_>>().join(", ");
        if let Some(words) = provider::only_in_mlflow(text) {
            return place.error(format!(
                "provider `{text}` {words}; offered are {offered}; a server that speaks OpenAI's protocol is reached \
                 with `openai-compatible` and `api_base`"
            ));
        }
        let hint = suggest(text, provider::names());
        place.error(format!("unknown provider `{text}`{hint}; offered are {offered}"))
    })
}

fn limit(place: &Place<'_>) -> Result<Limit, ConfigError> {
    let mut table = place.table()?;
    let calls = table.need("calls", "calls: 10")?.count(1)?;
    let period_place = table.need("renewal_period", "renewal_period: minute")?;
    let text = period_place.text()?;
    let period = Period::parse(text).ok_or_else(|| {
        period_place.error(format!(
            "`{text}` is no period; write second, minute, hour, day, month or year, with a number in front if it is \
             more than one: `2 minutes`"
        ))
    })?;
    let key = table.take("key").map(|it| it.text().map(str::to_owned)).transpose()?;
    table.finish(&["calls", "renewal_period", "key"])?;
    Ok(Limit { calls, renewal_period: text.to_owned(), key, period })
}

fn on_loss(place: &Place<'_>) -> Result<OnLoss, ConfigError> {
    match place.text()? {
        "warn" => Ok(OnLoss::Warn),
        "error" => Ok(OnLoss::Refuse),
        other => Err(place.error(format!(
            "`{other}` is no way to treat fields that the provider cannot express; write `warn` to leave them out and \
             say so in a header, or `error` to refuse the call"
        ))),
    }
}

fn timeouts(place: &Place<'_>, usual: Timeouts) -> Result<Timeouts, ConfigError> {
    let mut table = place.table()?;
    let mut timeouts = usual;
    for (key, slot) in [
        ("connect_ms", &mut timeouts.connect),
        ("first_byte_ms", &mut timeouts.first_byte),
        ("idle_ms", &mut timeouts.idle),
        ("total_ms", &mut timeouts.total),
    ] {
        if let Some(place) = table.take(key) {
            *slot = Duration::from_millis(u64::from(place.count(1)?));
        }
    }
    table.finish(&["connect_ms", "first_byte_ms", "idle_ms", "total_ms"])?;
    Ok(timeouts)
}
