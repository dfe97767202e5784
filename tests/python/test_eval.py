"""`tidegate eval run` end to end: both suites of configs/eval, against scikit-learn and the real demo model."""

from __future__ import annotations

import json
from pathlib import Path

import mlflow
import pandas
import pytest
import tidegate
from mlflow import MlflowClient
from sklearn import metrics as sklearn
from tidegate import CONFIGS, eventually

WINE = CONFIGS / "eval/wine.yaml"
QA = CONFIGS / "eval/qa.yaml"


def evaluate(suite: Path, server: tidegate.Server, *flags: str | Path, **kwargs) -> tidegate.Finished:
    flags = ("--tracking", server.url, "--gateway", server.url, "--no-cache", *flags)
    said = tidegate.run("eval", "run", suite, *flags, **kwargs)
    assert "panicked" not in said.output, said.output
    return said


def runs_of(client: MlflowClient, experiment: str) -> tuple:
    """The newest parent run of an experiment, and its children by name."""
    [experiment_id] = [it.experiment_id for it in client.search_experiments(filter_string=f"name = '{experiment}'")]
    newest = client.search_runs([experiment_id], "tags.tidegate.eval.gates != ''")
    parent = next(run for run in newest if "mlflow.parentRunId" not in run.data.tags)
    children = client.search_runs([experiment_id], f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
    return parent, {run.info.run_name: run for run in children}


def results_table(client: MlflowClient, run) -> pandas.DataFrame:
    return client.load_table(run.info.experiment_id, "eval_results_table.json", run_ids=[run.info.run_id])


def test_wine_quality_agrees_with_scikit_learn(server, client):
    said = evaluate(WINE, server)
    assert said.code == 0, said.output
    for word in ("linear", "elasticnet", "root_mean_squared_error"):
        assert word in said.stdout

    parent, children = runs_of(client, "wine-quality")
    assert parent.info.status == "FINISHED"
    assert set(children) == {"linear", "elasticnet"}
    rows = pandas.read_csv(CONFIGS / "eval/wine/wine-quality-predictions.csv")
    for name, run in children.items():
        truth, predicted = rows["quality"], rows[f"pred_{name}"]
        logged = run.data.metrics
        assert logged["example_count"] == len(rows) == 1470
        assert logged == logged | {
            key: pytest.approx(value, rel=1e-9)
            for key, value in {
                "mean_absolute_error": sklearn.mean_absolute_error(truth, predicted),
                "mean_squared_error": sklearn.mean_squared_error(truth, predicted),
                "root_mean_squared_error": sklearn.root_mean_squared_error(truth, predicted),
                "r2_score": sklearn.r2_score(truth, predicted),
                "max_error": sklearn.max_error(truth, predicted),
                "mean_absolute_percentage_error": sklearn.mean_absolute_percentage_error(truth, predicted),
                "sum_on_target": truth.sum(),
                "mean_on_target": truth.mean(),
                "median_absolute_error": sklearn.median_absolute_error(truth, predicted),
                "pinball_90": sklearn.mean_pinball_loss(truth, predicted, alpha=0.9),
                "spearmanr": truth.corr(predicted, method="spearman"),
            }.items()
        }
        assert (
            logged["mean_absolute_error.ci.low"] < logged["mean_absolute_error"] < logged["mean_absolute_error.ci.high"]
        )
        [dataset] = run.inputs.dataset_inputs
        assert dataset.dataset.name and len(dataset.dataset.digest) > 0

        table = results_table(client, run)
        assert len(table) == len(rows)
        assert list(table["quality"]) == list(truth)
        assert list(table["outputs"]) == pytest.approx(list(predicted))


def test_qa_asks_the_demo_model_through_the_gateway(server, client):
    said = evaluate(QA, server)
    assert said.code == 0, said.output

    parent, children = runs_of(client, "qa-smollm2")
    assert parent.data.tags["mlflow.runType"] == "genai_evaluate"
    [(name, run)] = children.items()
    assert run.data.params["temperature"] == "0"
    assert parent.data.metrics["example_count"] == 12
    table = results_table(client, run)
    asked = [json.loads(line) for line in (CONFIGS / "eval/qa/questions.jsonl").read_text().splitlines()]
    assert list(table["question"]) == [row["question"] for row in asked]
    assert all(table["outputs"].str.strip().str.len() > 0)
    contains = [row["answer"].lower() in output.lower() for row, output in zip(asked, table["outputs"], strict=True)]
    assert list(table["icontains/score"]) == contains
    assert run.data.metrics["icontains/mean"] == pytest.approx(sum(contains) / len(contains))

    def traces():
        calls = mlflow.get_experiment_by_name("gateway/smollm2")
        found = mlflow.search_traces(locations=[calls.experiment_id], return_type="list") if calls else []
        said = {json.dumps(trace.data.spans[0].inputs) for trace in found}
        return all(any(row["question"] in it for it in said) for row in asked)

    eventually(traces)


def test_a_suite_runs_without_any_server(tmp_path):
    database = f"sqlite:///{tmp_path}/eval.db"
    flags = ["--tracking", database, "--gateway-config", CONFIGS / "gateway.yaml", "--limit", "3", "--no-cache"]
    said = tidegate.run("eval", "run", QA, *flags, "--set", "gates=[]", "--json", cwd=tmp_path)
    assert said.code == 0, said.output
    report = json.loads(said.stdout)
    assert report["data"]["rows"] == 3
    assert [variant["rows"] for variant in report["variants"]] == [3]
    parent, children = runs_of(MlflowClient(database), "qa-smollm2")
    assert parent.data.metrics["example_count"] == 3
    assert len(children) == 1


def test_a_failing_gate_is_exit_code_1_and_still_recorded(server, client):
    said = evaluate(
        WINE, server, "--set", "gates=[root_mean_squared_error <= 0.01]", "--set", "output.experiment=gate that fails"
    )
    assert said.code == 1, said.output
    assert "root_mean_squared_error <= 0.01" in said.output
    parent, children = runs_of(client, "gate that fails")
    assert parent.data.tags["tidegate.eval.gates"] == "fail"
    assert set(children) == {"linear", "elasticnet"}


def test_only_and_limit_narrow_a_suite(server, client):
    said = evaluate(
        WINE,
        server,
        *("--only", "target=linear", "--limit", "50", "--json"),
        *("--set", "gates=[]", "--set", "output.experiment=narrow", "--set", "compare.baseline=linear"),
    )
    assert said.code == 0, said.output
    [variant] = json.loads(said.stdout)["variants"]
    assert (variant["name"], variant["rows"]) == ("linear", 50)


def test_a_dry_run_asks_and_records_nothing(server, client):
    before = {it.name for it in client.search_experiments()}
    said = evaluate(WINE, server, "--dry-run", "--set", "output.experiment=never made")
    assert said.code == 0, said.output
    assert {it.name for it in client.search_experiments()} == before


def test_classification_agrees_with_scikit_learn(server, client, tmp_path):
    rows = pandas.DataFrame(
        {
            "truth": ["cat", "dog", "cat", "bird", "dog", "cat", "bird", "dog"] * 4,
            "pred": ["cat", "dog", "dog", "bird", "dog", "cat", "cat", "dog"] * 4,
        }
    )
    rows.to_csv(tmp_path / "rows.csv", index=False)
    (tmp_path / "suite.yaml").write_text(
        "name: animals\ntask: classification\ndata: {source: rows.csv, roles: {expected: truth}}\n"
        "targets: col:pred\nmetrics: [default]\noutput: {experiment: animals}\n"
    )
    said = evaluate(tmp_path / "suite.yaml", server)
    assert said.code == 0, said.output
    _, children = runs_of(client, "animals")
    [run] = children.values()
    logged = run.data.metrics
    weighted = {"average": "weighted"}
    assert logged == logged | {
        key: pytest.approx(value)
        for key, value in {
            "accuracy_score": sklearn.accuracy_score(rows.truth, rows.pred),
            "f1_score": sklearn.f1_score(rows.truth, rows.pred, **weighted),
            "precision_score": sklearn.precision_score(rows.truth, rows.pred, **weighted),
            "recall_score": sklearn.recall_score(rows.truth, rows.pred, **weighted),
        }.items()
    }


def test_a_url_target_and_its_failures(mocked, upstream, tmp_path):
    mlflow.set_tracking_uri(mocked.url)
    (tmp_path / "rows.jsonl").write_text(
        '{"question": "When?", "answer": "The tide comes in twice a day."}\n'
        '{"question": "Why?", "answer": "The moon."}\n'
    )
    (tmp_path / "suite.yaml").write_text(
        "name: url\ntask: generate\ndata: {source: rows.jsonl, roles: {expected: answer}}\n"
        f'targets: {{good: {{url: "{upstream.url}/v1", model: mock-1}}}}\n'
        "prompts: '{{ question }}'\nmetrics: [exact_match, contains]\noutput: {experiment: url}\n"
    )
    said = evaluate(tmp_path / "suite.yaml", mocked, "--json")
    assert said.code == 0, said.output
    [variant] = json.loads(said.stdout)["variants"]
    assert variant["metrics"]["exact_match"]["value"] == 0.5
    assert variant["failed"] == 0


def test_the_schema_is_json_schema():
    schema = json.loads(tidegate.run("eval", "schema").stdout)
    assert schema["$schema"].startswith("https://json-schema.org/draft/2020-12/")
    assert {"data", "targets", "metrics", "gates"} <= set(schema["properties"])
