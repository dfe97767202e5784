//! The content of messages as Converse's blocks: text, images, documents, audio, video, tool calls and their results.

use std::collections::HashSet;

use llm::{Content, Error, Message, Part, Rest, ToolCall};
use serde_json::{Value, json};

use crate::provider::media::{address, inline};
use crate::provider::tools::{answered, arguments};

/// The names that documents of one request have so far: Converse wants each to have its own.
#[derive(Default)]
pub(super) struct Names(HashSet<String>);

/// A content as blocks. Blank texts are left out, because Bedrock refuses them.
pub(super) fn blocks(content: Option<Content>, at: &str, names: &mut Names) -> Result<Vec<Value>, Error> {
    match content {
        None => Ok(Vec::new()),
        Some(Content::Text(text)) => Ok(text_block(&text).into_iter().collect()),
        Some(Content::Parts(parts)) => {
            let mut all = Vec::with_capacity(parts.len());
            for (index, part) in parts.into_iter().enumerate() {
                let cached = cache_point(&part.rest);
                all.extend(block(part, &format!("{at}.content[{index}]"), names)?);
                all.extend(cached);
            }
            Ok(all)
        }
    }
}

/// The mark that a part, a message or a tool ends what shall be cached.
pub(super) fn cache_point(rest: &Rest) -> Option<Value> {
    let control = rest.get("cache_control").filter(|it| it.is_object())?;
    let mut point = json!({"type": "default"});
    if let Some(ttl) = control.get("ttl") {
        point["ttl"] = ttl.clone();
    }
    Some(json!({"cachePoint": point}))
}

fn text_block(text: &str) -> Option<Value> {
    (!text.trim().is_empty()).then(|| json!({"text": text}))
}

fn block(mut part: Part, at: &str, names: &mut Names) -> Result<Option<Value>, Error> {
    let block = match part.kind.as_str() {
        "text" => return Ok(text_block(&part.text.unwrap_or_default())),
        "refusal" => {
            return Ok(part.rest.get("refusal").and_then(Value::as_str).and_then(text_block));
        }
        "image_url" => {
            let (format, source) = source(address(&part, "image_url"), at)?;
            json!({"image": {"format": image_format(&format), "source": source}})
        }
        "video_url" => {
            let (format, source) = source(address(&part, "video_url"), at)?;
            json!({"video": {"format": if format == "3gpp" { "three_gp" } else { &format }, "source": source}})
        }
        "input_audio" => {
            let audio = part.rest.get("input_audio").unwrap_or(&Value::Null);
            let (Some(data), Some(format)) = (audio["data"].as_str(), audio["format"].as_str()) else {
                return Err(Error::invalid(at, format!("`{at}.input_audio` must have `data` and `format`")));
            };
            json!({"audio": {"format": format, "source": {"bytes": data}}})
        }
        "file" => document(part.rest.get("file").unwrap_or(&Value::Null), at, names)?,
        kind => {
            // One of Converse's own blocks, written as Converse has it: `{"type": "guardContent", "guardContent": …}`.
            let Some(own) = part.rest.remove(kind) else {
                return Err(Error::invalid(
                    format!("{at}.type"),
                    format!("Bedrock takes no parts of the type `{kind}`; send text, images, files, audio or video"),
                ));
            };
            Value::Object([(kind.to_owned(), own)].into_iter().collect())
        }
    };
    Ok(Some(block))
}

fn image_format(subtype: &str) -> &str {
    if subtype == "jpg" { "jpeg" } else { subtype }
}

/// The format and the bytes of a data address, or the place of a file in S3. Bedrock fetches nothing else.
fn source(from: Option<&str>, at: &str) -> Result<(String, Value), Error> {
    let wrong = || {
        Error::invalid(
            at,
            format!("`{at}` must have a `data:…;base64,…` address or one of S3, `s3://…`: Bedrock fetches no others"),
        )
    };
    let from = from.ok_or_else(wrong)?;
    if let Some(bytes) = inline(from) {
        let subtype = bytes.media_type.rsplit('/').next().unwrap_or_default();
        return Ok((subtype.to_owned(), json!({"bytes": bytes.base64})));
    }
    let ending = from.strip_prefix("s3://").and_then(|it| it.rsplit_once('.')).ok_or_else(wrong)?.1;
    Ok((ending.to_ascii_lowercase(), json!({"s3Location": {"uri": from}})))
}

fn document(file: &Value, at: &str, names: &mut Names) -> Result<Value, Error> {
    let data = file["file_data"].as_str().ok_or_else(|| {
        Error::invalid(at, format!("`{at}.file` must have `file_data`: Bedrock knows no files of OpenAI's by their id"))
    })?;
    let (subtype, source) = source(Some(data), at)?;
    let filename = file["filename"].as_str().unwrap_or("document");
    let (stem, ending) = filename.rsplit_once('.').unwrap_or((filename, ""));
    let format = document_format(ending).or_else(|| document_format(&subtype)).ok_or_else(|| {
        Error::invalid(
            at,
            format!(
                "`{at}` is a file of the type `{subtype}`; Bedrock takes pdf, csv, doc, docx, xls, xlsx, html, txt, md"
            ),
        )
    })?;
    Ok(json!({"document": {"name": names.own(stem), "format": format, "source": source}}))
}

fn document_format(ending: &str) -> Option<&'static str> {
    Some(match ending.to_ascii_lowercase().as_str() {
        "pdf" => "pdf",
        "csv" => "csv",
        "doc" | "msword" => "doc",
        "docx" | "vnd.openxmlformats-officedocument.wordprocessingml.document" => "docx",
        "xls" | "vnd.ms-excel" => "xls",
        "xlsx" | "vnd.openxmlformats-officedocument.spreadsheetml.sheet" => "xlsx",
        "html" | "htm" => "html",
        "txt" | "plain" => "txt",
        "md" | "markdown" => "md",
        _ => return None,
    })
}

impl Names {
    /// A name that Converse takes (letters, digits, single spaces, hyphens, parentheses, brackets), and that no
    /// document before has.
    fn own(&mut self, stem: &str) -> String {
        const CHARS_MAX: usize = 200;
        let plain: String = stem
            .chars()
            .map(|it| if it.is_ascii_alphanumeric() || matches!(it, '-' | '(' | ')' | '[' | ']') { it } else { ' ' })
            .take(CHARS_MAX)
            .collect();
        let plain = plain.split_whitespace().collect::<Vec<_>>().join(" ");
        let plain = if plain.is_empty() { "document".to_owned() } else { plain };
        let mut name = plain.clone();
        for number in 2.. {
            if self.0.insert(name.clone()) {
                break;
            }
            name = format!("{plain} {number}");
        }
        name
    }
}

/// A call that the model made, told back to it.
pub(super) fn tool_use(call: &ToolCall, at: &str) -> Result<Value, Error> {
    Ok(json!({"toolUse": {"toolUseId": call.id, "name": call.function.name, "input": arguments(call, at)?}}))
}

/// What a tool gave.
pub(super) fn tool_result(message: Message, at: &str, names: &mut Names) -> Result<Vec<Value>, Error> {
    let id = answered(message.tool_call_id, at)?;
    let mut points = Vec::from_iter(cache_point(&message.rest));
    let mut content = blocks(message.content, at, names)?;
    // Marks stand beside a result, not in it.
    content.retain(|it| {
        let is_mark = it.get("cachePoint").is_some();
        if is_mark {
            points.push(it.clone());
        }
        !is_mark
    });
    points.truncate(1);
    let mut result = json!({"toolUseId": id, "content": content});
    if message.rest.get("is_error") == Some(&Value::Bool(true)) {
        result["status"] = "error".into();
    }
    let mut all = vec![json!({"toolResult": result})];
    all.extend(points);
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(parts: Value) -> Result<Value, Error> {
        let content: Content = serde_json::from_value(parts).unwrap();
        blocks(Some(content), "messages[0]", &mut Names::default()).map(Value::from)
    }

    #[test]
    fn images_documents_audio_and_marks() {
        let got = parts(json!([
            {"type": "image_url", "image_url": {"url": "data:image/jpg;base64,AAAA"}, "cache_control": {"type": "ephemeral"}},
            {"type": "image_url", "image_url": "s3://bucket/cat.PNG"},
            {"type": "file", "file": {"filename": "Annual report_2024.pdf", "file_data": "data:application/pdf;base64,BB"}},
            {"type": "file", "file": {"filename": "Annual report 2024.pdf", "file_data": "data:application/pdf;base64,CC"}},
            {"type": "input_audio", "input_audio": {"data": "DD", "format": "wav"}},
            {"type": "guardContent", "guardContent": {"text": {"text": "x"}}},
        ]))
        .unwrap();
        assert_eq!(
            got,
            json!([
                {"image": {"format": "jpeg", "source": {"bytes": "AAAA"}}},
                {"cachePoint": {"type": "default"}},
                {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://bucket/cat.PNG"}}}},
                {"document": {"name": "Annual report 2024", "format": "pdf", "source": {"bytes": "BB"}}},
                {"document": {"name": "Annual report 2024 2", "format": "pdf", "source": {"bytes": "CC"}}},
                {"audio": {"format": "wav", "source": {"bytes": "DD"}}},
                {"guardContent": {"text": {"text": "x"}}},
            ])
        );
    }

    #[test]
    fn what_bedrock_cannot_fetch_is_refused() {
        let check = |part: Value, words: &str| {
            let Err(Error::Invalid { message, .. }) = parts(json!([part])) else { panic!("let through {part}") };
            assert!(message.contains(words), "{message}");
        };
        check(json!({"type": "image_url", "image_url": {"url": "https://x/y.png"}}), "Bedrock fetches no others");
        check(json!({"type": "file", "file": {"file_id": "f"}}), "must have `file_data`");
        check(json!({"type": "file", "file": {"file_data": "data:image/png;base64,AA"}}), "a file of the type `png`");
        check(json!({"type": "hologram"}), "no parts of the type `hologram`");
    }
}
