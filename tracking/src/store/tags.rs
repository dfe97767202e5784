//! Tags of runs.

use db::{OnConflict, Tx};

use super::{Store, runs};
use crate::{
    Error, Result,
    experiment::Tag,
    run::RUN_NAME_TAG,
    validate::{KEY_CHARS_MAX, TAG_VALUE_CHARS_MAX, check_length, check_name, truncate},
};

impl Store {
    /// Attaches a tag to a run, in place of one with the same key.
    pub async fn set_tag(&self, run_id: &str, tag: Tag) -> Result<()> {
        let tag = checked(tag, "")?;
        let run_id = run_id.to_owned();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    runs::check_active(tx, &run_id).await?;
                    set_tags(tx, &run_id, vec![tag]).await
                })
            })
            .await
    }

    /// Takes a tag off a run.
    pub async fn delete_tag(&self, run_id: &str, key: String) -> Result<()> {
        let run_id = run_id.to_owned();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    runs::check_active(tx, &run_id).await?;
                    let gone = tx
                        .execute(
                            "DELETE FROM tags WHERE run_uuid = ? AND \"key\" = ?",
                            vec![run_id.as_str().into(), key.as_str().into()],
                        )
                        .await?;
                    if gone == 0 {
                        return Err(Error::not_found(format!("No tag with name: {key} in run with id {run_id}")));
                    }
                    Ok(())
                })
            })
            .await
    }
}

/// Checks a tag's key and cuts its value; `path` is `tags[i].` in a batch.
pub(super) fn checked(tag: Tag, path: &str) -> Result<Tag> {
    check_name(format_args!("{path}key"), &tag.key)?;
    check_length(&format!("{path}key"), KEY_CHARS_MAX, &tag.key)?;
    Ok(Tag { value: truncate(tag.value, TAG_VALUE_CHARS_MAX), ..tag })
}

/// Writes tags of a run; the tag with the run's name renames it.
pub(super) async fn set_tags(tx: &mut Tx, run_id: &str, tags: Vec<Tag>) -> Result<()> {
    let tags = last_of_each_key(tags);
    if let Some(name) = tags.iter().find(|tag| tag.key == RUN_NAME_TAG && !tag.value.is_empty()) {
        tx.execute("UPDATE runs SET name = ? WHERE run_uuid = ?", vec![name.value.as_str().into(), run_id.into()])
            .await?;
    }
    // A run is never renamed to nothing, and its tag says what it is called.
    let kept = tags.into_iter().filter(|tag| tag.key != RUN_NAME_TAG || !tag.value.is_empty());
    let values = kept.flat_map(|tag| [tag.key.into(), tag.value.into(), run_id.into()]).collect();
    let replace = OnConflict::Update { key: &["key", "run_uuid"], columns: &["value"] };
    tx.insert_rows("tags", &["key", "value", "run_uuid"], replace, values).await?;
    Ok(())
}

/// Of several tags with one key the last one counts, in the place of the first.
pub(super) fn last_of_each_key(tags: Vec<Tag>) -> Vec<Tag> {
    let mut places = std::collections::HashMap::with_capacity(tags.len());
    let mut kept: Vec<Tag> = Vec::with_capacity(tags.len());
    for tag in tags {
        if let Some(place) = places.get(&tag.key) {
            let earlier: &mut Tag = &mut kept[*place];
            earlier.value = tag.value;
        } else {
            places.insert(tag.key.clone(), kept.len());
            kept.push(tag);
        }
    }
    kept
}
