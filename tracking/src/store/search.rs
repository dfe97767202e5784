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
        let mut query = search::runs_query(&search.experiment_ids, &search.filter, &search.order_by, search.view)?;
        let offset = page::offset(search.page_token.as_deref())?;
        let sql = format!("SELECT {} FROM runs {} LIMIT ? OFFSET ?", runs::COLUMNS, query.sql);
        query.args.extend(search::limit(size, offset));
        let rows: Vec<runs::Row> = self.db.fetch_all(sql, query.args).await?;
        let page = Page::cut(rows, offset, size);
        let infos = page.items.into_iter().map(RunInfo::from).collect();
        Ok(Page { items: self.load_runs(infos).await?, next_page_token: page.next_page_token })
    }
}
