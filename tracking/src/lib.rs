//! Experiments, runs, metrics, artifacts and traces behind MLflow's REST API.
