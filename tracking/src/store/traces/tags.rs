//! Tags of traces.

use super::{
    check_exists,
    rows::{self, IfThere, Pair, Pairs},
};
use crate::{
    Error, Result,
    store::Store,
    trace::{TraceId, keys},
    validate::{check_length, check_name},
};

/// Characters at most in a trace's name.
const NAME_CHARS_MAX: usize = 4096;

impl Store {
    /// Attaches a tag to a trace, in place of one with the same key.
    pub async fn set_trace_tag(&self, trace_id: &str, key: &str, value: String) -> Result<()> {
        check_name("key", key)?;
        if key == keys::TRACE_NAME {
            check_length("Trace name", NAME_CHARS_MAX, &value)?;
        }
        let pair = Pair::new(&TraceId::parse(trace_id)?, key, value)?;
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    check_exists(tx, &pair.trace_id).await?;
                    if pair.key == keys::TRACE_NAME {
                        let args = vec![pair.value.into(), pair.trace_id.into()];
                        tx.execute("UPDATE trace_info SET trace_name = ? WHERE request_id = ?", args).await?;
                        return Ok(());
                    }
                    rows::write_pairs(tx, Pairs::Tags, vec![pair], IfThere::Replace).await
                })
            })
            .await
    }

    /// Takes a tag off a trace.
    pub async fn delete_trace_tag(&self, trace_id: &str, key: &str) -> Result<()> {
        let (trace_id, key) = (trace_id.to_owned(), key.to_owned());
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    check_exists(tx, &trace_id).await?;
                    let deleted = if key == keys::TRACE_NAME {
                        let sql = "UPDATE trace_info SET trace_name = NULL \
                                   WHERE request_id = ? AND trace_name IS NOT NULL";
                        tx.execute(sql, vec![trace_id.as_str().into()]).await?
                    } else {
                        let args = vec![trace_id.as_str().into(), key.as_str().into()];
                        tx.execute("DELETE FROM trace_tags WHERE request_id = ? AND \"key\" = ?", args).await?
                    };
                    if deleted == 0 {
                        return Err(Error::not_found(format!(
                            "No trace tag with key '{key}' for trace with ID '{trace_id}'"
                        )));
                    }
                    Ok(())
                })
            })
            .await
    }
}
