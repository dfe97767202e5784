//! Searching runs: one statement finds a page, a fixed number of others loads it.

use std::collections::HashMap;

use db::Reader;

use super::{Store, in_list, runs};
use crate::{
    Result,
    page::{self, Page},
    run::{Run, RunInfo, RunSearch},
    search,
    validate::check_page_size,
};

/// A run by its place in the table.
struct Placed {
    place: i64,
    row: runs::Row,
}

db::record!(Placed { place } with { row });

impl Store {
    /// Finds runs.
    pub async fn search_runs(&self, search: &RunSearch) -> Result<Page<Run>> {
        let size = check_page_size(search.max_results)?;
        let mut query = search::runs_query(
            &search.experiment_ids,
            &search.filter,
            &search.order_by,
            search.view,
            self.db.dialect(),
        )?;
        let offset = page::offset(search.page_token.as_deref())?;
        self.db
            .read(move |reader| {
                // Who asks the same again, for the next page or to look at the same one, need not wait for the search.
                let all = reader.remembered(&format!("SELECT runs.rowid FROM runs {}", query.sql), &query.args)?;
                let rows = if let Some(all) = all {
                    let places = all.iter().copied().skip(offset).take(size.saturating_add(1));
                    rows_at(reader, &places.collect::<Vec<_>>())?
                } else {
                    let sql = format!("SELECT {} FROM runs {} LIMIT ? OFFSET ?", runs::COLUMNS, query.sql);
                    query.args.extend(search::limit(size, offset));
                    reader.fetch_all(&sql, &query.args)?
                };
                let page = Page::cut(rows, offset, size);
                let infos = page.items.into_iter().map(RunInfo::from).collect();
                Ok(Page { items: runs::load(reader, infos)?, next_page_token: page.next_page_token })
            })
            .await
    }
}

/// The runs at places of the table, in their order.
fn rows_at(reader: &Reader<'_>, places: &[i64]) -> Result<Vec<runs::Row>> {
    let mut found = HashMap::with_capacity(places.len());
    for chunk in places.chunks(runs::IDS_PER_STATEMENT) {
        let (marks, args) = in_list(chunk.iter().copied());
        let sql = format!("SELECT runs.rowid AS place, {} FROM runs WHERE runs.rowid IN ({marks})", runs::COLUMNS);
        reader.for_each(&sql, &args, |it: Placed| {
            found.insert(it.place, it.row);
        })?;
    }
    Ok(places.iter().filter_map(|place| found.remove(place)).collect())
}
