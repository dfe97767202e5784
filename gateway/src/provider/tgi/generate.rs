//! `/generate` and `/generate_stream`: a prompt with parameters, and what came of it.

use bytes::Bytes;
use llm::sse::Event;
use llm::{ChatChunk, Completion, CompletionChoice, CompletionReply, Error, Prompt, Rest, Usage, unix_seconds};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::dialect::EventReader;
use crate::losses::Losses;
use crate::provider::chunks::ChunkMaker;
use crate::provider::leftover::leave_out;
use crate::provider::upstream::{bad_gateway, in_ok_answer};

pub(super) fn body(completion: Completion, stream: bool, losses: &mut Losses) -> Result<Value, Error> {
    let prompt = match completion.prompt {
        Prompt::One(text) => text,
        Prompt::Many(mut texts) if texts.len() == 1 => texts.remove(0),
        _ => return Err(Error::invalid("prompt", "this server takes one prompt of text in each call")),
    };
    let mut parameters = Map::new();
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            parameters.insert(name.to_owned(), value);
        }
    };
    set("max_new_tokens", completion.max_tokens.map(Value::from));
    // The server wants temperatures above 0, and takes the likeliest token where nothing shall be sampled.
    match completion.temperature {
        Some(temperature) if temperature > 0.0 => {
            set("temperature", Some(temperature.into()));
            set("do_sample", Some(true.into()));
        }
        Some(_) => set("do_sample", Some(false.into())),
        None => {}
    }
    // It also wants `top_p` below 1, which means all.
    set("top_p", completion.top_p.filter(|it| *it < 1.0).map(Value::from));
    set("top_k", completion.top_k.map(Value::from));
    set("seed", completion.seed.map(Value::from));
    set("stop", completion.stop.map(|it| json!(it.texts())));
    set("details", Some(true.into()));
    if !stream {
        set("decoder_input_details", Some(true.into()));
    }
    if completion.n.is_some_and(|it| it > 1) {
        losses.add("n", "counts as 1: this server gives one answer a call");
    }
    let mut rest = completion.rest;
    rest.remove("stream_options");
    leave_out(&mut rest, &["user", "logit_bias", "presence_penalty", "echo", "suffix", "logprobs"], "TGI", losses);
    // What is left is the server's own (`repetition_penalty`, `grammar`, `watermark`…), or refused by it by name.
    parameters.extend(rest.into_iter().filter(|(_, value)| !value.is_null()));
    Ok(json!({"inputs": prompt, "parameters": parameters}))
}

pub(super) fn reply(body: &[u8], model: &str, who: &str) -> Result<Bytes, Error> {
    let said = read(body, who)?;
    // Some versions answer a list of one.
    let said = said.get(0).unwrap_or(&said);
    let text = said["generated_text"].as_str().ok_or_else(|| bad_gateway(format!("{who} answered without a text")))?;
    let details = &said["details"];
    let (finish_reason, rest) = finish(details);
    let reply = CompletionReply {
        id: Uuid::new_v4().to_string(),
        object: "text_completion".to_owned(),
        created: unix_seconds(),
        model: model.to_owned(),
        choices: vec![CompletionChoice { index: 0, text: text.to_owned(), finish_reason, rest }],
        usage: usage(details),
        rest: Rest::new(),
    };
    serde_json::to_vec(&reply)
        .map(Bytes::from)
        .map_err(|error| Error::Internal(format!("an answer could not be written as JSON: {error}")))
}

fn read(body: &[u8], who: &str) -> Result<Value, Error> {
    let said =
        serde_json::from_slice(body).map_err(|error| bad_gateway(format!("{who} answered with no JSON: {error}")))?;
    match in_ok_answer(who, body) {
        Some(error) => Err(error),
        None => Ok(said),
    }
}

fn finish(details: &Value) -> (Option<String>, Rest) {
    let mut rest = Rest::new();
    let finish = match details["finish_reason"].as_str() {
        None => return (None, rest),
        Some("length") => "length",
        Some(word) => {
            if word != "stop" {
                rest.insert("native_finish_reason".to_owned(), word.into());
            }
            "stop"
        }
    };
    (Some(finish.to_owned()), rest)
}

fn usage(details: &Value) -> Option<Usage> {
    let prefilled = details["prefill"].as_array().map(|it| it.len() as u64);
    let prompt = details["input_length"].as_u64().or(prefilled);
    let output = details["generated_tokens"].as_u64()?;
    Some(Usage::of(prompt.unwrap_or_default(), output))
}

/// Reads the tokens of `/generate_stream`.
pub(super) struct Reader {
    who: String,
    maker: ChunkMaker,
    is_done: bool,
}

impl Reader {
    pub(super) fn new(model: &str, who: &str) -> Self {
        Self { who: who.to_owned(), maker: ChunkMaker::new(model), is_done: false }
    }
}

impl EventReader for Reader {
    fn read(&mut self, event: &Event, out: &mut Vec<ChatChunk>) -> Result<(), Error> {
        let said = read(event.data.as_bytes(), &self.who)?;
        let token = &said["token"];
        if let Some(text) = token["text"].as_str().filter(|_| token["special"] != true) {
            out.push(self.maker.text(text));
        }
        // The last token comes with the whole text.
        if said["generated_text"].is_string() {
            let details = &said["details"];
            out.push(self.maker.finish(finish(details)));
            out.push(self.maker.counts(usage(details)));
            self.is_done = true;
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.is_done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_that_the_server_would_refuse_are_left_out() {
        let completion: Completion = serde_json::from_value(json!({
            "prompt": "a", "max_tokens": 5, "temperature": 0, "top_p": 1.0, "stop": "END", "n": 2, "user": "u",
            "repetition_penalty": 1.1, "model": "m"}))
        .unwrap();
        let mut losses = Losses::default();
        assert_eq!(
            body(completion, true, &mut losses).unwrap(),
            json!({"inputs": "a", "parameters": {"max_new_tokens": 5, "do_sample": false, "stop": ["END"],
                   "details": true, "repetition_penalty": 1.1}})
        );
        assert_eq!(losses.as_slice().iter().map(|it| it.field.as_str()).collect::<Vec<_>>(), ["n", "user"]);
    }
}
