//! Answers that real providers gave come out of the gateway with the same facts, whatever the caller speaks.
//!
//! Each recording is replayed over a socket in pieces of seven bytes, once for each format that callers speak
//! ([`callers`]), by the provider that its host is ([`families`]). `TIDEGATE_RECORDINGS` may name another file in the
//! same form, `TIDEGATE_RECORDING` a part of an id to which the replay confines itself.

mod callers;
mod exceptions;
mod facts;
mod families;

use std::io::Read as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use crate::support::{Provider, Reply, TestGateway};
use callers::Caller;
use families::Host;

/// Complaints that are shown; one mistake tends to spoil hundreds of recordings in the same way.
const SHOWN_MAX: usize = 40;

/// All recordings through one format.
async fn replay(caller: &dyn Caller) {
    let provider = Provider::start().await;
    let mut gateway = TestGateway::start(&families::yaml(), &provider).await;
    let (mut wrong, mut replayed) = (Vec::new(), 0);
    for recording in recordings() {
        let id = recording["id"].as_str().unwrap();
        if std::env::var("TIDEGATE_RECORDING").is_ok_and(|it| !id.contains(&it)) {
            continue;
        }
        let Some(host) = families::host_of(&recording) else { continue };
        if exceptions::is_excused(id, caller.name()) || !caller.reaches(recording["family"].as_str().unwrap()) {
            continue;
        }
        replayed += 1;
        for complaint in replay_one(&provider, &mut gateway, &recording, host, caller).await {
            wrong.push(format!("{id}: {complaint}"));
        }
    }
    let count = wrong.len();
    wrong.truncate(SHOWN_MAX);
    assert!(count == 0, "{}, {replayed} recordings: {count} facts lost:\n{}", caller.name(), wrong.join("\n"));
    assert!(replayed > 0, "no recording has been replayed");
}

async fn replay_one(
    provider: &Provider,
    gateway: &mut TestGateway,
    recording: &Value,
    host: &Host,
    caller: &dyn Caller,
) -> Vec<String> {
    let body = BASE64_STANDARD.decode(recording["response_b64"].as_str().unwrap()).unwrap();
    let status = u16::try_from(recording["status"].as_u64().unwrap()).unwrap();
    let content_type = recording["content_type"].as_str().unwrap().to_owned();
    let is_broken = facts::ends_in_error(recording, &body);
    provider.will(Reply::Raw { status, content_type, body: body.clone().into() });

    let stream = recording["stream"] == true;
    let recorded = (caller.family() == recording["family"]).then(|| &recording["request"]);
    let (path, request) = caller.request(recorded, &host.endpoint(), stream);
    let response = gateway.post(&path, &request).await;
    let got_status = response.status().as_u16();
    let text = response.text().await.unwrap();
    if got_status != status {
        // What was refused by the gateway itself has not taken the answer; the next recording shall not get it.
        provider.forget();
        return vec![format!("status is {got_status}, not {status}: {text}")];
    }
    let call = gateway.calls.recv().await.unwrap();
    if status != 200 {
        return caller.error(&text).err().into_iter().collect();
    }
    if is_broken {
        return caller.stream_error(&text).err().into_iter().collect();
    }
    let expected = facts::expected(recording, host);
    let got = if stream {
        match caller.stream(&text) {
            Ok(facts) => facts,
            Err(complaint) => return vec![format!("{complaint} in {text}")],
        }
    } else {
        match serde_json::from_str(&text) {
            Ok(answer) => caller.whole(&answer),
            Err(error) => return vec![format!("{error} in {text}")],
        }
    };
    let mut wrong = got.complaints(&caller.sayable(expected.clone()));
    let counted = call.usage.map(|it| (it.prompt_tokens, it.completion_tokens.unwrap_or_default()));
    if counted != expected.tokens {
        wrong.push(format!("the record counts {counted:?}, not {:?}", expected.tokens));
    }
    wrong
}

fn recordings() -> Vec<Value> {
    let mut text = String::new();
    match std::env::var("TIDEGATE_RECORDINGS") {
        Ok(file) => flate2::read::GzDecoder::new(std::fs::File::open(file).unwrap()).read_to_string(&mut text),
        Err(_) => flate2::read::GzDecoder::new(&include_bytes!("../fixtures/recordings.jsonl.gz")[..])
            .read_to_string(&mut text),
    }
    .unwrap();
    text.lines().map(|it| serde_json::from_str(it).unwrap()).collect()
}

#[test]
fn every_recording_has_a_place() {
    let recordings = recordings();
    assert!(recordings.len() >= 763, "{} recordings", recordings.len());
    let ids: Vec<&str> = recordings.iter().map(|it| it["id"].as_str().unwrap()).collect();
    exceptions::check(&ids);
    for recording in &recordings {
        let family = recording["family"].as_str().unwrap();
        assert!(families::host_of(recording).is_some(), "no provider for {family} at {}", recording["host"]);
    }
}

#[tokio::test]
async fn as_openai_chats() {
    replay(&callers::openai::Chats).await;
}

#[tokio::test]
async fn as_anthropics_messages() {
    replay(&callers::messages::Messages).await;
}

#[tokio::test]
async fn as_openais_responses() {
    replay(&callers::responses::Responses).await;
}

#[tokio::test]
async fn as_googles_contents() {
    replay(&callers::gemini::Gemini).await;
}
