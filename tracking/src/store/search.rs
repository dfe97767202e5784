//! Searching runs: one statement finds a page, a fixed number of others loads it.

use super::{Store, runs};
use crate::{
    Result,
    page::{self, Page},
    run::{Run, RunInfo, RunSearch},
    search,
    validate::check_page_size,
};

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
        let sql = format!("SELECT {} FROM runs {} LIMIT ? OFFSET ?", runs::COLUMNS, query.sql);
        query.args.extend(search::limit(size, offset));
        self.db
            .read(move |reader| {
                let rows: Vec<runs::Row> = reader.fetch_all(&sql, &query.args)?;
                let page = Page::cut(rows, offset, size);
                let infos = page.items.into_iter().map(RunInfo::from).collect();
                Ok(Page { items: runs::load(reader, infos)?, next_page_token: page.next_page_token })
            })
            .await
    }
}
