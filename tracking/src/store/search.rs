//! Searching runs: one statement finds a page, a fixed number of others loads it.

use std::collections::HashMap;

use db::{Dialect, Reader};

use super::{Store, in_list, runs};
use crate::{
    Result,
    page::Page,
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
        let offset = rest::page::offset(search.page_token.as_deref())?;
        let is_sqlite = self.db.dialect() == Dialect::Sqlite;
        self.db
            .read(move |reader| {
                let rows = if is_sqlite {
                    rows_at(reader, &places(reader, query, offset, size)?)?
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

/// Where the runs of a page are in SQLite's table, and the one after them: SQLite sorts whole rows, so that it is given
/// none, only their places.
fn places(reader: &Reader<'_>, mut query: search::Query, offset: usize, size: usize) -> Result<Vec<i64>> {
    let sql = format!("SELECT runs.rowid FROM runs {}", query.sql);
    // Who asks the same again, for the next page or to look at the same one, need not wait for the search.
    if let Some(all) = reader.remembered(&sql, &query.args)? {
        return Ok(all.iter().copied().skip(offset).take(size.saturating_add(1)).collect());
    }
    query.args.extend(search::limit(size, offset));
    let places: Vec<(i64,)> = reader.fetch_all(&format!("{sql} LIMIT ? OFFSET ?"), &query.args)?;
    Ok(places.into_iter().map(|(place,)| place).collect())
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
