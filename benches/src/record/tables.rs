//! The tables of the comparison, as RESULTS.md shows them.

use super::{Seen, database::Database, measure::Figures, measure::Outcome, measure::SLOW_CALLS, rival::Kind};
use crate::table::{Table, figure};

/// What stands where a server was not measured, or has no such call.
const NONE: &str = "–";

/// Processor time, speed, and start and memory of all servers on one database.
pub(super) fn side_by_side(database: Database, rows: &[(&str, f64)], seen: &[Seen]) -> Vec<Table> {
    let on = database.name();
    let mut tables = vec![cpu(on, rows, seen), speed(on, rows, seen), start(on, seen)];
    if database != Database::Sqlite {
        tables.insert(1, database_cpu(on, rows, seen));
    }
    tables
}

fn cpu(on: &str, rows: &[(&str, f64)], seen: &[Seen]) -> Table {
    let title = format!("The record on {on}: processor time of the server, µs per call");
    let last = if on == "SQLite" { Some("at most") } else { None };
    let mut table = table(&title, seen, last);
    for (index, (name, at_most_us)) in rows.iter().enumerate() {
        let figures = seen.iter().map(|it| cell(&it.outcomes[index], |it| figure(it.cpu_us)));
        table.row(name, figures.chain(last.map(|_| figure(*at_most_us))));
    }
    table
}

fn database_cpu(on: &str, rows: &[(&str, f64)], seen: &[Seen]) -> Table {
    let mut table = table(&format!("{on}'s own processor time beside it, µs per call"), seen, None);
    for (index, (name, _)) in rows.iter().enumerate() {
        let figures = seen
            .iter()
            .map(|it| cell(&it.outcomes[index], |it| it.database_cpu_us.map_or_else(|| NONE.to_owned(), figure)));
        table.row(name, figures);
    }
    table
}

fn speed(on: &str, rows: &[(&str, f64)], seen: &[Seen]) -> Table {
    let title = format!("The record on {on}: calls each second (median; 99th percentile in ms), one connection");
    let mut table = table(&title, seen, None);
    for (index, (name, _)) in rows.iter().enumerate() {
        let figures = seen.iter().map(|it| {
            cell(&it.outcomes[index], |it| {
                let ms = |share| figure(it.load.quantile_us(share) / 1000.0);
                format!("{} ({}; {})", figure(it.load.per_second()), ms(0.5), ms(0.99))
            })
        });
        table.row(name, figures);
    }
    table
}

fn start(on: &str, seen: &[Seen]) -> Table {
    let columns = ["server", "first 200 ms", "idle MiB", "after these calls MiB"];
    let mut table = Table::new(&format!("Start and memory on {on}, existing database"), &columns);
    for it in seen {
        let figures = [it.started_in.as_secs_f64() * 1e3, it.idle_mib, it.loaded_mib];
        table.row(it.kind.name(), figures.map(figure));
    }
    table
}

/// What searches cost among more runs.
pub(super) fn many_runs(few: usize, many: usize, at_few: &[(&str, Outcome)], at_many: &[(&str, Outcome)]) -> Table {
    let columns = ["query", &format!("{few} runs, µs"), &format!("{many} runs, µs"), "ratio"];
    let mut table = Table::new("Searches among ten times as many runs on SQLite, processor time", &columns);
    for ((name, few), (_, many)) in at_few.iter().zip(at_many) {
        let cpu = |it: &Outcome| if let Outcome::Answered(it) = it { it.cpu_us } else { f64::NAN };
        table.row(name, [cpu(few), cpu(many), cpu(many) / cpu(few)].map(figure));
    }
    table
}

/// What bare inserts and `log-batch` reach on one database, in rows of `metrics` each second.
pub(super) struct Bare {
    pub(super) database: Database,
    pub(super) one: f64,
    pub(super) both: f64,
    pub(super) reached: f64,
}

/// `log-batch` of 100 beside bare inserts.
pub(super) fn bare(connections: usize, lines: &[Bare]) -> Table {
    let title = format!("log-batch of 100 beside bare prepared inserts, {connections} connections, rows each second");
    let columns = [
        "database",
        "bare, metrics alone",
        "bare, with latest_metrics",
        "log-batch",
        "of the first %",
        "of the second %",
    ];
    let mut table = Table::new(&title, &columns);
    for it in lines {
        let figures = [it.one, it.both, it.reached, 100.0 * it.reached / it.one, 100.0 * it.reached / it.both];
        table.row(it.database.name(), figures.map(figure));
    }
    table
}

fn table(title: &str, seen: &[Seen], last: Option<&str>) -> Table {
    let columns: Vec<&str> =
        std::iter::once("call").chain(seen.iter().map(|it| Kind::name(it.kind))).chain(last).collect();
    Table::new(title, &columns)
}

/// A star marks what was sent only a few times.
fn cell(outcome: &Outcome, show: impl Fn(&Figures) -> String) -> String {
    match outcome {
        Outcome::Refused => NONE.to_owned(),
        Outcome::NoAnswer => "no answer".to_owned(),
        Outcome::Answered(it) if it.load.calls() <= SLOW_CALLS => format!("{} *", show(it)),
        Outcome::Answered(it) => show(it),
    }
}
