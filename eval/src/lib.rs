//! The evaluation engine: suites, datasets, targets, metrics, gates and reports.
