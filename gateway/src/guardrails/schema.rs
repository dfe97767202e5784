//! Answers that must be JSON of a certain shape (JSON Schema, draft 2020-12 unless the schema names another).

use std::fmt;

use boon::{Compiler, SchemaIndex, Schemas, SchemeUrlLoader};
use serde_json::Value;

use super::opinion::Opinion;

/// Characters of a complaint that callers get to see; it may quote the answer.
const COMPLAINT_CHARS_MAX: usize = 200;
/// The schema's own address, to which its references are relative. Nobody looks there.
const ADDRESS: &str = "urn:tidegate:guardrail";

/// A JSON schema.
pub(crate) struct Schema {
    text: String,
    schemas: Schemas,
    index: SchemaIndex,
}

impl Schema {
    /// Reads a schema, or says what is wrong with it. References to other documents are not followed.
    pub(crate) fn new(schema: Value) -> Result<Self, String> {
        let (text, mut schemas, mut compiler) = (schema.to_string(), Schemas::new(), Compiler::new());
        compiler.use_loader(Box::new(SchemeUrlLoader::new()));
        compiler.add_resource(ADDRESS, schema).map_err(|error| error.to_string())?;
        let index = compiler.compile(ADDRESS, &mut schemas).map_err(|error| format!("{error:#}"))?;
        Ok(Self { text, schemas, index })
    }

    pub(super) fn check(&self, texts: &[String]) -> Opinion {
        for text in texts {
            let json: Value = match serde_json::from_str(text) {
                Ok(json) => json,
                Err(error) => return objection("no-json", &format!("it is not JSON: {error}")),
            };
            if let Err(error) = self.schemas.validate(&json, self.index) {
                // The innermost cause says most.
                let mut cause = &error;
                while let Some(inner) = cause.causes.first() {
                    cause = inner;
                }
                let at = cause.instance_location.to_string();
                let at = if at.is_empty() { String::new() } else { format!(" at `{at}`") };
                return objection("no-match", &format!("it does not match the schema{at}: {}", cause.kind));
            }
        }
        Opinion::Fine
    }
}

fn objection(label: &str, words: &str) -> Opinion {
    let words = words.chars().take(COMPLAINT_CHARS_MAX).collect();
    Opinion::Objection { label: label.to_owned(), words }
}

impl fmt::Debug for Schema {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Schema({})", self.text)
    }
}
