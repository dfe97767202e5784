//! `tidegate gateway keys`: virtual keys for the `keys` of a gateway's configuration.

use std::{io::BufRead, process::ExitCode};

use anyhow::{Context, bail};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;

/// Bytes of chance in a key: nobody guesses them, so that one fast hash is enough to keep them by.
const KEY_BYTES: usize = 32;

/// Make virtual keys for the `keys` of the configuration.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make a key, and print it once together with what the configuration keeps of it.
    #[command(after_help = "Example:\n  tidegate gateway keys create ann --team search --endpoint gpt\n\n\
                      Put the printed entry under `keys:`; a running gateway takes it without a restart.")]
    Create(Create),
    /// Print the hash of a key that is read from standard input.
    #[command(after_help = "Example:\n  echo \"$OLD_KEY\" | tidegate gateway keys hash")]
    Hash,
}

#[derive(Debug, clap::Args)]
pub(super) struct Create {
    /// The name that records and limits know the key by.
    name: String,
    /// The user whose key it is.
    #[arg(long)]
    user: Option<String>,
    /// The team that the user belongs to.
    #[arg(long)]
    team: Option<String>,
    /// An endpoint or route that the key reaches; may be repeated. All of them without it.
    #[arg(long = "endpoint", value_name = "NAME")]
    endpoints: Vec<String>,
    /// When it ends: a day, `2027-01-31`, or a moment, `2027-01-31T18:00:00Z`.
    #[arg(long)]
    expires: Option<String>,
    /// Print JSON for programs.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Create(it) => create(&it),
        Command::Hash => hash()?,
    }
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::print_stdout, reason = "the key is what the command is for")]
fn create(args: &Create) {
    let key = format!("tg-{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; KEY_BYTES]>()));
    let mut entry = serde_json::Map::new();
    entry.insert("name".to_owned(), json!(args.name));
    entry.insert("hash".to_owned(), json!(gateway::hashed(&key)));
    let texts = [("user", &args.user), ("team", &args.team), ("expires", &args.expires)];
    entry.extend(texts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value.as_ref()?)))));
    if !args.endpoints.is_empty() {
        entry.insert("endpoints".to_owned(), json!(args.endpoints));
    }
    if args.json {
        println!("{}", json!({"key": key, "entry": entry}));
        return;
    }
    println!("{key}\n");
    println!("This is the only time that the key is shown. Put this under `keys:` in the gateway's configuration:\n");
    // JSON's texts and lists are YAML's, too.
    for (place, (name, value)) in entry.iter().enumerate() {
        println!("{} {name}: {value}", if place == 0 { "  -" } else { "   " });
    }
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
