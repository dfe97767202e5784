//! Which rows are used: gaps, shuffling, sampling, the limit. Every choice is the same on every machine.

use sha2::{Digest, Sha256};

use super::{Data, Dataset, Missing};
use crate::{Error, Result};

/// Applies the suite's choices in the order gaps, shuffle, sample, limit.
pub(super) fn choose(dataset: &mut Dataset, data: &Data) -> Result<()> {
    if data.missing != Missing::Keep {
        for role in [&data.roles.id, &data.roles.expected, &data.roles.weight].into_iter().flatten() {
            gaps(dataset, role, data.missing)?;
        }
    }
    let mut order: Vec<usize> = (0..dataset.rows.len()).collect();
    if let Some(seed) = data.shuffle {
        shuffle(&mut order, seed);
    }
    if let Some(sample) = data.sample
        && sample.n < order.len()
    {
        let mut drawn: Vec<usize> = (0..order.len()).collect();
        shuffle(&mut drawn, sample.seed);
        drawn.truncate(sample.n);
        drawn.sort_unstable();
        order = drawn.into_iter().map(|it| order[it]).collect();
    }
    order.truncate(data.limit.unwrap_or(usize::MAX));
    if order.len() != dataset.rows.len() || data.shuffle.is_some() {
        dataset.rows = order.iter().map(|it| dataset.rows[*it].clone()).collect();
        dataset.lines = order.iter().map(|it| dataset.lines[*it]).collect();
    }
    Ok(())
}

fn gaps(dataset: &mut Dataset, role: &str, missing: Missing) -> Result<()> {
    let column = dataset.column(role)?;
    let empty: Vec<bool> = dataset.rows.iter().map(|it| it[column].is_missing()).collect();
    let Some(first) = empty.iter().position(|it| *it) else { return Ok(()) };
    if missing == Missing::Error {
        let place = dataset.place(first);
        return Err(Error::Data(format!(
            "{place}: column `{role}` is empty; fill it, or set data.missing to drop (leave such rows out) or keep"
        )));
    }
    let mut keep = empty.iter().map(|it| !it);
    dataset.rows.retain(|_| keep.next().unwrap_or(true));
    let mut keep = empty.iter().map(|it| !it);
    dataset.lines.retain(|_| keep.next().unwrap_or(true));
    Ok(())
}

/// Orders positions by the sha256 of seed and position: no generator whose stream may change with a version.
fn shuffle(order: &mut [usize], seed: u64) {
    order.sort_by_cached_key(|position| {
        Sha256::new().chain_update(seed.to_le_bytes()).chain_update((*position as u64).to_le_bytes()).finalize()
    });
}
