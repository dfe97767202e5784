//! Searching traces: one statement finds a page, a fixed number of others loads it.

use super::rows::{self, TraceRow};
use crate::{
    Error, Result,
    experiment::ExperimentId,
    page::Page,
    search,
    store::Store,
    trace::{Cooccurrence, TraceInfo, TraceSearch},
};

/// Traces at most on one page.
const PAGE_MAX: usize = 500;

impl Store {
    /// Finds traces; their infos come without spans.
    pub async fn search_traces(&self, search: &TraceSearch) -> Result<Page<TraceInfo>> {
        let size = check_page_size(search.max_results)?;
        let mut query =
            search::traces_query(&search.experiment_ids, &search.filter, &search.order_by, self.db.dialect())?;
        let offset = rest::page::offset(search.page_token.as_deref())?;
        let sql = format!("SELECT {} FROM trace_info {} LIMIT ? OFFSET ?", rows::COLUMNS, query.sql);
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        query.args.extend([number(size).into(), number(offset).into()]);
        let found: Vec<TraceRow> = self.db.fetch_all(sql, query.args).await?;
        // As in MLflow a full page has a token, whether or not another trace follows.
        let next_page_token = (found.len() == size).then(|| rest::page::token(offset + size));
        Ok(Page { items: self.with_details(found).await?, next_page_token })
    }

    /// Counts the traces that meet two filters, each and both, among those that meet `base`; in one statement, so that
    /// the counts fit together.
    pub async fn count_traces_together(
        &self,
        experiment_ids: &[ExperimentId],
        filters: &[String; 2],
        base: Option<&str>,
    ) -> Result<Cooccurrence> {
        let matching = |filter: &str| {
            let query = search::traces_query(experiment_ids, filter, &[], self.db.dialect())?;
            Ok::<_, Error>((format!("SELECT trace_info.request_id FROM trace_info {}", query.sql), query.args))
        };
        let on_base = |filter: &String| base.map_or_else(|| filter.clone(), |base| format!("{base} and {filter}"));
        let (all, all_args) = matching(base.unwrap_or_default())?;
        let (first, first_args) = matching(&on_base(&filters[0]))?;
        let (second, second_args) = matching(&on_base(&filters[1]))?;
        let sql = format!(
            "SELECT (SELECT COUNT(*) FROM ({first}) f JOIN ({second}) s ON f.request_id = s.request_id), \
             (SELECT COUNT(*) FROM ({first}) f), (SELECT COUNT(*) FROM ({second}) s), (SELECT COUNT(*) FROM ({all}) a)"
        );
        let args = [&first_args, &second_args, &first_args, &second_args, &all_args];
        let args = args.into_iter().flatten().cloned().collect();
        let counts: Option<(i64, i64, i64, i64)> = self.db.fetch_optional(sql, args).await?;
        let (both, first, second, all) = counts.unwrap_or_default();
        Ok(Cooccurrence { both, first, second, all })
    }
}

fn check_page_size(max_results: i64) -> Result<usize> {
    usize::try_from(max_results).ok().filter(|it| (1..=PAGE_MAX).contains(it)).ok_or_else(|| {
        Error::invalid(format!(
            "Invalid value {max_results} for parameter 'max_results' supplied. It must be at least 1 and at most {PAGE_MAX}"
        ))
    })
}
