"""`/graphql`: the queries of MLflow's web app and of its users, and what a query may not be."""

from __future__ import annotations

import pytest
import tidegate
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag

# What MLflow's web app sends for the page of a run.
GET_RUN = """
query GetRun($data: MlflowGetRunInput!) @component(name: "MLflow.ExperimentRunTracking") {
  mlflowGetRun(input: $data) {
    apiError { helpUrl code message }
    run {
      info { runName status runUuid experimentId artifactUri endTime lifecycleStage startTime userId }
      experiment { experimentId name tags { key value } artifactLocation lifecycleStage }
      modelVersions { status version name source }
      data { metrics { key value step timestamp } params { key value } tags { key value } }
      inputs {
        datasetInputs { dataset { digest name profile schema source sourceType } tags { key value } }
        modelInputs { modelId }
      }
      outputs { modelOutputs { modelId step } }
    }
  }
}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with tidegate.serve(tmp_path_factory.mktemp("graphql"), gateway_config=None) as server:
        yield server


@pytest.fixture(scope="module")
def runs(server) -> tuple[str, list[str]]:
    """An experiment and its two runs, the second with less in it."""
    client = MlflowClient(server.url)
    experiment = client.create_experiment("graphql", tags={"a": "b"})
    ids = [client.create_run(experiment, start_time=i, run_name=f"run-{i}").info.run_id for i in (1000, 1001)]
    for step, value in enumerate([0.5, 0.75]):
        client.log_metric(ids[0], "loss", value, timestamp=step, step=step)
    client.log_metric(ids[0], "broken", float("nan"), timestamp=5, step=3)
    client.log_metric(ids[1], "loss", 0.25, timestamp=9, step=0)
    client.log_param(ids[0], "p", "v")
    dataset = Dataset("data", "digest", "local", "/source")
    client.log_inputs(ids[0], [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])
    client.log_text(ids[0], "words", "note.txt")
    client.set_terminated(ids[1], end_time=2000)
    return experiment, ids


def ask(server, query: str, variables: dict | None = None, **more) -> dict:
    answer = server.post("/graphql", {"query": query, "variables": variables or {}, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def data(server, query: str, variables: dict | None = None, **more) -> dict:
    answer = ask(server, query, variables, **more)
    assert answer["errors"] is None, answer
    return answer["data"]


def test_the_page_of_a_run(server, runs):
    experiment, ids = runs
    found = data(server, GET_RUN, {"data": {"runId": ids[0]}})["mlflowGetRun"]
    assert found["apiError"] is None
    run = found["run"]
    artifact_uri = f"mlflow-artifacts:/{experiment}/{ids[0]}/artifacts"
    assert run["info"] == {
        "runName": "run-1000",
        "status": "RUNNING",
        "runUuid": ids[0],
        "experimentId": experiment,
        "artifactUri": artifact_uri,
        "endTime": "0",
        "lifecycleStage": "active",
        "startTime": "1000",
        "userId": run["info"]["userId"],
    }
    assert run["experiment"] == {
        "experimentId": experiment,
        "name": "graphql",
        "tags": [{"key": "a", "value": "b"}],
        "artifactLocation": f"mlflow-artifacts:/{experiment}",
        "lifecycleStage": "active",
    }
    metrics = {it["key"]: it for it in run["data"]["metrics"]}
    assert metrics["loss"] == {"key": "loss", "value": 0.75, "step": "1", "timestamp": "1"}
    assert metrics["broken"]["value"] is None, "a Float is a number"
    assert run["data"]["params"] == [{"key": "p", "value": "v"}]
    assert run["inputs"]["datasetInputs"] == [
        {
            "dataset": {
                "digest": "digest",
                "name": "data",
                "profile": "",
                "schema": "",
                "source": "/source",
                "sourceType": "local",
            },
            "tags": [{"key": "mlflow.data.context", "value": "training"}],
        }
    ]
    assert (run["modelVersions"], run["outputs"]) == ([], {"modelOutputs": []})


def test_runs_by_page_with_fragments_and_aliases(server, runs):
    experiment, ids = runs
    query = """
    query Page($data: MlflowSearchRunsInput!, $names: Boolean!) {
      page: mlflowSearchRuns(input: $data) {
        runs { ...Short ... on MlflowRunExtension { kind: __typename experiment { name } } }
        nextPageToken
      }
    }
    fragment Short on MlflowRunExtension { info { id: runId runName @include(if: $names) } }
    """
    search = {"experimentIds": [experiment], "orderBy": ["metrics.loss ASC"], "maxResults": 1, "runViewType": "ALL"}
    page = data(server, query, {"data": search, "names": True})["page"]
    assert page["runs"] == [
        {
            "info": {"id": ids[1], "runName": "run-1001"},
            "kind": "MlflowRunExtension",
            "experiment": {"name": "graphql"},
        }
    ]
    search["pageToken"] = page["nextPageToken"]
    page = data(server, query, {"data": search, "names": False})["page"]
    assert [it["info"] for it in page["runs"]] == [{"id": ids[0]}]
    assert page["nextPageToken"] == ""


def test_the_other_queries(server, runs):
    experiment, ids = runs
    query = "query ($i: MlflowGetExperimentInput!) { mlflowGetExperiment(input: $i) { experiment { name workspace } } }"
    found = data(server, query, {"i": {"experimentId": experiment}})
    assert found["mlflowGetExperiment"]["experiment"] == {"name": "graphql", "workspace": "default"}

    query = f'{{ mlflowGetMetricHistoryBulkInterval(input: {{runIds: ["{ids[0]}"], metricKey: "loss"}}) {{ metrics {{ value step runId }} }} }}'
    found = data(server, query)["mlflowGetMetricHistoryBulkInterval"]["metrics"]
    assert found == [{"value": v, "step": s, "runId": ids[0]} for v, s in [(0.5, "0"), (0.75, "1")]]

    query = "query ($i: MlflowListArtifactsInput!) { mlflowListArtifacts(input: $i) { files { path isDir fileSize } } }"
    found = data(server, query, {"i": {"runId": ids[0]}})
    assert found["mlflowListArtifacts"]["files"] == [{"path": "note.txt", "isDir": False, "fileSize": "5"}]

    query = "query ($i: MlflowSearchModelVersionsInput!) { mlflowSearchModelVersions(input: $i) { modelVersions { name } } }"
    found = data(server, query, {"i": {"filter": f"run_id = '{ids[0]}'"}})
    assert found["mlflowSearchModelVersions"]["modelVersions"] == []

    query = "mutation ($i: MlflowSearchDatasetsInput!) { mlflowSearchDatasets(input: $i) { datasetSummaries { name context } } }"
    found = data(server, query, {"i": {"experimentIds": [experiment]}})
    assert found["mlflowSearchDatasets"]["datasetSummaries"] == [{"name": "data", "context": "training"}]

    two = 'query A { test(inputString: "a") { output } } query B { test(inputString: "b") { output } }'
    assert data(server, two, operationName="B") == {"test": {"output": "b"}}


def test_a_field_that_fails_leaves_the_others(server, runs):
    _, ids = runs
    query = """
    { gone: mlflowGetRun(input: {runId: "00000000000000000000000000000000"}) { run { info { runName } } }
      there: mlflowGetRun(input: {runId: "%s"}) { run { info { runName } } } }
    """
    answer = ask(server, query % ids[0])
    assert answer["data"] == {"gone": None, "there": {"run": {"info": {"runName": "run-1000"}}}}
    assert answer["errors"] == ["Run with id=00000000000000000000000000000000 not found"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("{ nope }", "Cannot query field 'nope' on type 'Query'."),
        ('{ test(inputString: "a") { nope } }', "Cannot query field 'nope' on type 'Test'."),
        ("{ test { output { x } } }", "must not have a selection since type 'String' has no subfields."),
        ("{ test }", "must have a selection of subfields"),
        ("{ test(inputString: 5) { output } }", "String cannot represent a non string value: 5"),
        ("{ test(nope: 5) { output } }", "Unknown argument 'nope' on field 'Query.test'."),
        ("{ ...F }", "Unknown fragment 'F'."),
        ("{ ...F } fragment F on Test { output }", "can never be of type 'Test'"),
        (GET_RUN, "Variable '$data' of required type 'MlflowGetRunInput!' was not provided."),
        ("{ test(inputString: $x) { output } }", "Variable '$x' is not defined"),
        ("subscription { x }", "Schema is not configured to execute subscription operation."),
        ("{ test { x: output x: __typename } }", "are different fields"),
        ("{ test { output @nope } }", "Unknown directive '@nope'."),
        ("{ " + " ".join(f"a{i}: test {{ output }}" for i in range(11)) + " }", "at most 10 root fields, got 11"),
        ("{ test { " + " ".join(f"a{i}: output" for i in range(11)) + " } }", "at most 10 aliases, got 11"),
        ("{ test { " + "output " * 1001 + "} }", "Query exceeds maximum total selections of 1000"),
    ],
)
def test_a_query_that_is_refused_says_why_and_does_nothing(server, query, words):
    answer = ask(server, query)
    assert answer["data"] is None
    assert len(answer["errors"]) == 1 and words in answer["errors"][0], answer


def test_a_fragment_that_leads_to_itself_ends(server):
    query = '{ test(inputString: "a") { ...A } } fragment A on Test { output ...B } fragment B on Test { ...A }'
    assert data(server, query) == {"test": {"output": "a"}}


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"query": "{ test"}, 400, "Syntax Error"),
        ({"query": "{" * 10_000}, 400, "Syntax Error"),
        ({"query": "{ test " + "[" * 10_000 + "}"}, 400, "Syntax Error"),
        ({"query": "# " + "x" * 70_000}, 413, "65536 bytes"),
        ({}, 400, "Missing value for required parameter 'query'"),
        ({"query": "{ test }", "variables": [1]}, 400, "variables"),
    ],
)
def test_what_is_no_query(server, body, status, words):
    answer = server.post("/graphql", body)
    assert (answer.status_code, words in answer.text) == (status, True), answer.text


def test_get_reads_the_body_too(server):
    answer = server.get("/graphql", json={"query": '{ test(inputString: "a") { output } }'})
    assert answer.json() == {"data": {"test": {"output": "a"}}, "errors": None}
