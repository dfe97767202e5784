//! `tidegate gateway keys`: virtual keys of a running gateway, or for the `keys` of its configuration.

mod entry;
mod server;

use std::{io::BufRead, process::ExitCode};

use anyhow::{Context, bail};

use entry::NewKey;
use server::Server;

/// Make, list, replace and revoke virtual keys.
#[derive(Debug, clap::Subcommand)]
#[command(
    after_help = "With --server or TIDEGATE_SERVER these verbs ask a running gateway, which keeps its keys in its \
                        database; TIDEGATE_ADMIN_KEY, or the file that TIDEGATE_ADMIN_KEY_FILE names, holds its admin key.\n\
                        Exit codes: 0 done, 1 refused (no such key, for example), 2 wrong usage or nothing reached."
)]
pub(super) enum Command {
    /// Make a key, and print it once. Without a server, also print what the configuration keeps of it.
    #[command(after_help = "Examples:\n  \
                      tidegate gateway keys create ann --team search --endpoint gpt --requests 60/minute\n  \
                      tidegate gateway keys create ci --usd 50/month --server http://127.0.0.1:5000\n\n\
                      Without a server, put the printed entry under `keys:`; a running gateway takes it without a restart.")]
    Create(Create),
    /// List the keys of a gateway's database.
    List {
        #[command(flatten)]
        server: Server,
        /// Print JSON for programs: an array of keys as the REST API has them.
        #[arg(long)]
        json: bool,
    },
    /// Show what is known of a key; never the key itself.
    Show(Which),
    /// Put another key in the place of one, and print it once. The old one opens for a while longer.
    Rotate {
        #[command(flatten)]
        which: Which,
        /// Seconds for which the old key still opens; a day without it, thirty at most.
        #[arg(long, value_name = "SECONDS")]
        overlap: Option<u64>,
    },
    /// End a key for good. It holds at once on the server that is asked, within 5 seconds on others of its database.
    Revoke(Which),
    /// Forget a key, so that its name is free again.
    Delete(Which),
    /// Print the hash of a key that is read from standard input.
    #[command(after_help = "Example:\n  echo \"$OLD_KEY\" | tidegate gateway keys hash")]
    Hash,
}

#[derive(Debug, clap::Args)]
pub(super) struct Create {
    #[command(flatten)]
    key: NewKey,
    /// The gateway that shall keep the key (`http://host:5000`); without it, the key is for a configuration.
    #[arg(long, value_name = "URL", env = "TIDEGATE_SERVER")]
    server: Option<String>,
    /// Print JSON for programs.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// The key's name.
    name: String,
    #[command(flatten)]
    server: Server,
    /// Print JSON for programs.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Create(Create { key, server: None, json }) => entry::print(&key, json),
        Command::Hash => hash()?,
        remote => return crate::cli::blocking(ask(remote)),
    }
    Ok(ExitCode::SUCCESS)
}

async fn ask(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Create(Create { key, server, json }) => {
            let server = Server { server: server.unwrap_or_default() };
            server.create(&key, json).await?;
        }
        Command::List { server, json } => server.list(json).await?,
        Command::Show(it) => it.server.show(&it.name, it.json).await?,
        Command::Rotate { which: it, overlap } => it.server.rotate(&it.name, overlap, it.json).await?,
        Command::Revoke(it) => it.server.revoke(&it.name, it.json).await?,
        Command::Delete(it) => it.server.delete(&it.name, it.json).await?,
        Command::Hash => hash()?,
    }
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::print_stdout, reason = "the hash is what the command is for")]
fn hash() -> anyhow::Result<()> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("cannot read standard input")?;
    let key = line.trim();
    if key.is_empty() {
        bail!("there is no key on standard input; pipe it in: echo \"$KEY\" | tidegate gateway keys hash");
    }
    println!("{}", gateway::hashed(key));
    Ok(())
}
