//! Searching traces: one statement finds a page, a fixed number of others loads it.

use super::rows::{self, TraceRow};
use crate::{
    Error, Result,
    page::{self, Page},
    search,
    store::Store,
    trace::{TraceInfo, TraceSearch},
};

/// Traces at most on one page.
const PAGE_MAX: usize = 500;

impl Store {
    /// Finds traces; their infos come without spans.
    pub async fn search_traces(&self, search: &TraceSearch) -> Result<Page<TraceInfo>> {
        let size = check_page_size(search.max_results)?;
        let mut query =
            search::traces_query(&search.experiment_ids, &search.filter, &search.order_by, self.db.dialect())?;
        let offset = page::offset(search.page_token.as_deref())?;
        let sql = format!("SELECT {} FROM trace_info {} LIMIT ? OFFSET ?", rows::COLUMNS, query.sql);
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        query.args.extend([number(size).into(), number(offset).into()]);
        let found: Vec<TraceRow> = self.db.fetch_all(sql, query.args).await?;
        // As in MLflow a full page has a token, whether or not another trace follows.
        let next_page_token = (found.len() == size).then(|| page::token(offset + size));
        Ok(Page { items: self.with_details(found).await?, next_page_token })
    }
}

fn check_page_size(max_results: i64) -> Result<usize> {
    usize::try_from(max_results).ok().filter(|it| (1..=PAGE_MAX).contains(it)).ok_or_else(|| {
        Error::invalid(format!(
            "Invalid value {max_results} for parameter 'max_results' supplied. It must be at least 1 and at most {PAGE_MAX}"
        ))
    })
}
