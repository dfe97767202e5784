//! `tidegate eval`: suites from the command line.

mod endpoints;

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::Subcommand;
use eval::{Destination, Outcome, Overrides, Plan, Progress, Setup, Suite};
use tracking::{ArtifactOptions, Tracking};

use crate::config::ServerConfig;

/// Evaluate models and predictions, and say whether they pass.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a suite.
    #[command(after_help = "Examples:\n  tidegate eval run configs/eval/wine.yaml --dry-run\n  \
                      tidegate eval run configs/eval/qa.yaml --limit 3 --set params.temperature=0.5\n  \
                      tidegate eval run suite.yaml --tracking http://127.0.0.1:5000 --json > results.json\n\n\
                      Exit codes:\n  0    all gates pass\n  1    a gate fails\n  2    a gate is inconclusive and asks to fail then\n  \
                            3    the suite or a target is wrong; nothing was asked\n  4    stopped by budget or errors, or not recorded; partial results are kept\n  \
                            130  interrupted; the same command goes on from there")]
    Run(RunArgs),
    /// Print the format's JSON Schema, for editors.
    Schema,
}

/// What `eval run` takes.
#[derive(Debug, clap::Args)]
struct RunArgs {
    /// The suite (YAML); its format is what `tidegate eval schema` prints.
    file: PathBuf,
    /// Where results are recorded: an MLflow server's address or `sqlite:///file.db`; beats the suite's own. Without
    /// either: `sqlite:///mlflow.db`.
    #[arg(long, value_name = "URI", env = "MLFLOW_TRACKING_URI")]
    tracking: Option<String>,
    /// The running gateway behind `endpoint:` targets; by default the tracking server, or `http://127.0.0.1:5000`.
    #[arg(long, value_name = "URL", env = "MLFLOW_DEPLOYMENTS_TARGET")]
    gateway: Option<String>,
    /// A gateway configuration whose endpoints this process serves to itself, without a running gateway.
    #[arg(long, value_name = "FILE", conflicts_with = "gateway")]
    gateway_config: Option<PathBuf>,
    /// Change a value of the suite, for example `--set run.concurrency=4`.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Only this target or prompt: `target=NAME`, `prompt=NAME`.
    #[arg(long, value_name = "AXIS=NAME")]
    only: Vec<String>,
    /// Only the first rows.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Check everything and show what would be done, without asking or recording anything.
    #[arg(long)]
    dry_run: bool,
    /// Neither use nor keep answers of earlier runs.
    #[arg(long)]
    no_cache: bool,
    /// Print JSON for programs instead of a table.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Schema => {
            print(eval::SCHEMA)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Run(args) => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            let code = runtime.block_on(suite(args));
            // An answer that nobody waits for any more must not keep the process alive.
            runtime.shutdown_background();
            code
        }
    }
}

async fn suite(args: RunArgs) -> anyhow::Result<ExitCode> {
    let json = args.json;
    match evaluate(args).await {
        Ok(Done::Planned(text)) => {
            print(&text)?;
            Ok(ExitCode::SUCCESS)
        }
        Ok(Done::Ran(outcome)) => {
            if json {
                print(&serde_json::to_string_pretty(outcome.json())?)?;
            } else {
                print(outcome.table())?;
            }
            if let Some(words) = outcome.record_error() {
                eprintln!("error: the results could not be recorded: {words}");
            }
            Ok(ExitCode::from(outcome.exit_code()))
        }
        Err(error) => {
            eprintln!("error: {error}");
            Ok(ExitCode::from(error.exit_code()))
        }
    }
}

enum Done {
    /// What a dry run found.
    Planned(String),
    Ran(Box<Outcome>),
}

async fn evaluate(args: RunArgs) -> eval::Result<Done> {
    let overrides = Overrides {
        set: args.set,
        only: args.only,
        limit: args.limit,
        tracking: args.tracking,
        no_cache: args.no_cache,
    };
    let suite = Suite::load(&args.file, &overrides)?;
    if args.dry_run {
        return Ok(Done::Planned(planned(&suite, &eval::plan(&suite)?, args.json)));
    }
    let names: Vec<&str> = suite.endpoints().collect();
    let resolver = match args.gateway_config {
        Some(file) => endpoints::in_process(file, &names).await?,
        None => endpoints::running(args.gateway.as_deref().or(suite.tracking_uri()), &names).await?,
    };
    let setup = Setup {
        resolver,
        destination: destination(suite.tracking_uri()),
        progress: Progress::bar(),
        stop: async {
            if let Err(error) = tokio::signal::ctrl_c().await {
                tracing::warn!(%error, "cannot listen for Ctrl-C");
                std::future::pending::<()>().await;
            }
        },
        cache_folder: None,
    };
    Ok(Done::Ran(Box::new(eval::run(&suite, setup).await?)))
}

/// Where results go; by default where MLflow's client puts them too: `./mlflow.db`.
async fn destination(uri: Option<&str>) -> eval::Result<Destination> {
    let default = ServerConfig::default();
    let uri = uri.unwrap_or(&default.backend_store_uri);
    if uri.starts_with("http://") || uri.starts_with("https://") {
        return Destination::server(uri);
    }
    let failed = |error: &dyn std::error::Error| eval::Error::Tracking(format!("cannot record results: {error}"));
    let db = db::Db::open(uri).await.map_err(|error| failed(&error))?;
    let options = ArtifactOptions::resolve(None, Some(default.artifacts_destination), true);
    Ok(Destination::Store(Tracking::open(db, options).await.map_err(|error| failed(&error))?))
}

fn planned(suite: &Suite, plan: &Plan, json: bool) -> String {
    let Plan { rows, variants, calls, task, metrics } = plan;
    if json {
        let plan = serde_json::json!({
            "rows": rows, "variants": variants, "calls": calls, "task": task.name(), "metrics": metrics, "suite": suite.resolved(),
        });
        return format!("{plan:#}");
    }
    format!(
        "{}\n# {rows} rows × {} variants = {calls} calls; task {}\n# variants: {}\n# metrics: {}",
        suite.resolved_yaml().trim_end(),
        variants.len(),
        task.name(),
        variants.join(", "),
        metrics.join(", ")
    )
}

/// Prints to stdout; a reader that has gone away (`| head`) is no error.
fn print(text: &str) -> anyhow::Result<()> {
    match writeln!(io::stdout(), "{}", text.trim_end()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => Ok(outcome?),
    }
}
