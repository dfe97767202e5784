//! Commands that print keys: those of AWS's profiles and of Google's federated identities.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::time::timeout;

/// Bytes of what a command prints at most; keys and tokens have a few thousand.
const OUTPUT_BYTES_MAX: u64 = 64 << 10;

/// Runs a command without a shell, and gives what it printed. It is ended when it takes too long. What it says on its
/// error output may hold a key, and goes to this program's own.
pub(in crate::provider) async fn run(
    words: &[String],
    variables: &[(&str, &str)],
    longest: Duration,
) -> Result<Vec<u8>, String> {
    let [program, arguments @ ..] = words else { return Err("the command is empty".to_owned()) };
    let mut command = Command::new(program);
    command.args(arguments).envs(variables.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| format!("`{program}` cannot be started: {error}"))?;
    let output = child.stdout.take();
    let running = async {
        let mut printed = Vec::new();
        if let Some(output) = output {
            let read = output.take(OUTPUT_BYTES_MAX + 1).read_to_end(&mut printed).await;
            read.map_err(|error| format!("`{program}` broke off: {error}"))?;
        }
        if printed.len() as u64 > OUTPUT_BYTES_MAX {
            return Err(format!("`{program}` printed more than {OUTPUT_BYTES_MAX} bytes"));
        }
        let status = child.wait().await.map_err(|error| format!("`{program}` broke off: {error}"))?;
        if status.success() { Ok(printed) } else { Err(format!("`{program}` failed ({status})")) }
    };
    timeout(longest, running).await.map_err(|_| format!("`{program}` did not end within {longest:?}"))?
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Vec<String> {
        ["/bin/sh", "-c", script].map(str::to_owned).to_vec()
    }

    #[tokio::test]
    async fn what_commands_print_and_how_they_fail() {
        let longest = Duration::from_secs(30);
        assert_eq!(run(&shell("printf %s \"$WHO\""), &[("WHO", "me")], longest).await, Ok(b"me".to_vec()));
        let error = |result: Result<Vec<u8>, String>| result.unwrap_err();
        assert_eq!(error(run(&shell("exit 3"), &[], longest).await), "`/bin/sh` failed (exit status: 3)");
        assert!(error(run(&shell("yes"), &[], longest).await).ends_with("printed more than 65536 bytes"));
        assert!(error(run(&shell("sleep 60"), &[], Duration::from_millis(50)).await).contains("did not end within"));
        assert!(error(run(&["/no/such".to_owned()], &[], longest).await).contains("cannot be started"));
    }
}
