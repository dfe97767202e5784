//! How fast the demo model reads prompts and writes answers, in this process, without HTTP.
//!
//! `model [FILE]` prints one table; without a file it takes the demo model from the cache folder.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use benches::table::{Table, figure};
use futures::future::try_join_all;
use llm::{Completion, LanguageModel};
use models::{LocalModel, Options};
use serde_json::json;

/// Tokens of a prompt that is read, and of an answer that is written.
const PROMPT_TOKENS: u32 = 512;
const ANSWER_TOKENS: u32 = 128;

/// Each figure is the best of so many rounds: the others say how busy the machine was.
const ROUNDS: usize = 5;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let path = std::env::args_os().nth(1).map_or_else(demo_model, |it| Ok(PathBuf::from(it)))?;
    let started = Instant::now();
    let model = LocalModel::open(&path, Options::default())?;
    let loaded = started.elapsed();
    ask(&model, 0, 16, 4).await?;

    let opened = format!("Local model, opened in {:.0} ms", loaded.as_secs_f64() * 1e3);
    let mut table = Table::new(&opened, &["", "tokens/s"]);
    let mut salt = 1;
    for (name, prompt, answer, callers) in [
        (format!("read a prompt of {PROMPT_TOKENS} tokens"), PROMPT_TOKENS, 1, 1),
        (format!("write {ANSWER_TOKENS} tokens"), 8, ANSWER_TOKENS, 1),
        (format!("write {ANSWER_TOKENS} tokens for each of 4 callers"), 8, ANSWER_TOKENS, 4),
    ] {
        let mut best = 0.0_f64;
        for _ in 0..ROUNDS {
            let started = Instant::now();
            // Every prompt differs from its first token on, so that nothing is remembered.
            let calls = (0..callers).map(|caller| ask(&model, salt + caller, prompt, answer));
            let written: u32 = try_join_all(calls).await?.iter().sum();
            let tokens = if answer == 1 { prompt } else { written };
            best = best.max(f64::from(tokens) / started.elapsed().as_secs_f64());
            salt += callers;
        }
        table.row(&name, [figure(best)]);
    }
    print(&table.render());
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the table is what this program is for")]
fn print(text: &str) {
    println!("{text}");
}

/// Asks for one answer and gives the number of its tokens: the model may end it early.
async fn ask(model: &LocalModel, salt: u32, prompt_tokens: u32, answer_tokens: u32) -> Result<u32> {
    let prompt: Vec<u32> = (0..prompt_tokens).map(|it| 1000 + (salt * 97 + it * 37) % 5000).collect();
    let request: Completion =
        serde_json::from_value(json!({ "prompt": prompt, "max_tokens": answer_tokens, "temperature": 0 }))?;
    let usage = model.complete(request).await?.usage.context("local models count their tokens")?;
    ensure!(usage.prompt_tokens == u64::from(prompt_tokens), "{} prompt tokens", usage.prompt_tokens);
    Ok(u32::try_from(usage.completion_tokens.context("local models count their tokens")?)?)
}

/// Where `scripts/fetch_demo_model.py` puts it.
fn demo_model() -> Result<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
    let folder = folder("TIDEGATE_MODELS_DIR")
        .or_else(|| Some(folder("XDG_CACHE_HOME")?.join("tidegate/models")))
        .or_else(|| Some(folder("HOME")?.join(".cache/tidegate/models")))
        .context("HOME is not set; give the model file as an argument")?;
    Ok(folder.join("SmolLM2-135M-Instruct.Q4_1.gguf"))
}
