"""Which calls are recorded where: as MLflow's endpoints say, or the configuration file."""

from __future__ import annotations

import json

import pytest
import tidegate
from gateway_database import CHAT, PRIMARY, PRIVATE, ask, make_endpoint, make_model, name, store_of
from mlflow import MlflowClient
from mlflow.entities import GatewayEndpointModelConfig
from mlflow.entities.gateway_endpoint import RoutingStrategy
from mock_upstream import KEY


@pytest.fixture(scope="module")
def served(tmp_path_factory, upstream):
    """A server with an endpoint of the file for which an experiment is named."""
    folder = tmp_path_factory.mktemp("gateway-tracking")
    model = {"provider": "openai", "name": "m", "config": {"api_key": KEY, "api_base": f"{upstream.url}/v1"}}
    endpoint = {"name": "filed", "endpoint_type": "llm/v1/chat", "model": model, "experiment": "our calls"}
    config = folder / "gateway.yaml"
    config.write_text(json.dumps({"endpoints": [endpoint]}))
    with tidegate.serve(folder, gateway_config=config, env=PRIVATE) as server:
        yield server


@pytest.fixture(scope="module")
def client(served) -> MlflowClient:
    return MlflowClient(served.url)


def traces_of(client, experiment_id: str, count: int = 1) -> list:
    tidegate.eventually(lambda: len(client.search_traces(locations=[experiment_id])) >= count)
    traces = client.search_traces(locations=[experiment_id])
    assert len(traces) == count
    return traces


def test_a_call_is_recorded_as_mlflow_records_it(served, client, upstream):
    store = store_of(served)
    endpoint = make_endpoint(store, make_model(store, upstream), usage_tracking=True)
    experiment = client.get_experiment(str(endpoint.experiment_id))
    assert experiment.name == f"gateway/{endpoint.name}"
    assert experiment.tags["mlflow.experiment.sourceId"] == endpoint.endpoint_id
    headers = {"user-agent": "buoy/2.1 (harbour)"}
    served.post(f"/gateway/{endpoint.name}/mlflow/invocations", CHAT, headers=headers)
    (trace,) = traces_of(client, endpoint.experiment_id)
    metadata = {key: value for key, value in trace.info.trace_metadata.items() if key.startswith("mlflow.gateway.")}
    assert metadata == {
        "mlflow.gateway.endpointId": endpoint.endpoint_id,
        "mlflow.gateway.requestType": "unified/chat",
        "mlflow.gateway.caller": "buoy",
    }
    (root,) = [it for it in trace.data.spans if it.parent_id is None]
    assert root.name == f"gateway/{endpoint.name}"
    assert (root.attributes["endpoint_id"], root.attributes["endpoint_name"]) == (endpoint.endpoint_id, endpoint.name)


def test_mlflows_header_names_the_caller(served, client, upstream):
    store = store_of(served)
    endpoint = make_endpoint(store, make_model(store, upstream), usage_tracking=True)
    served.post(f"/gateway/{endpoint.name}/mlflow/invocations", CHAT, headers={"x-mlflow-gateway-caller": "judge"})
    (trace,) = traces_of(client, endpoint.experiment_id)
    assert trace.info.trace_metadata["mlflow.gateway.caller"] == "judge"


def test_the_endpoint_chooses_its_experiment_whichever_model_answers(served, client, upstream):
    store = store_of(served)
    chosen = client.create_experiment(name("chosen"))
    configs = [GatewayEndpointModelConfig(make_model(store, upstream).model_definition_id, PRIMARY, 0.5) for _ in range(2)]
    endpoint = store.create_gateway_endpoint(
        name("split"), configs, routing_strategy=RoutingStrategy.REQUEST_BASED_TRAFFIC_SPLIT, experiment_id=chosen
    )
    for _ in range(6):
        assert ask(served, endpoint.name).status_code == 200
    names = {it.data.spans[0].name for it in traces_of(client, chosen, 6)}
    assert names == {f"gateway/{endpoint.name}"}
    assert not [it for it in client.search_experiments() if it.name.startswith(f"gateway/{endpoint.name}")]


def test_an_endpoint_without_usage_tracking_leaves_no_trace(served, client, upstream):
    store = store_of(served)
    model = make_model(store, upstream)
    silent, told = make_endpoint(store, model), make_endpoint(store, model, usage_tracking=True)
    assert ask(served, silent.name).status_code == 200
    assert ask(served, told.name).status_code == 200
    # Calls are recorded in their order.
    traces_of(client, told.experiment_id)
    assert client.get_experiment_by_name(f"gateway/{silent.name}") is None
    store.update_gateway_endpoint(told.endpoint_id, usage_tracking=False)
    assert ask(served, told.name).status_code == 200
    store.update_gateway_endpoint(told.endpoint_id, usage_tracking=True)
    assert ask(served, told.name).status_code == 200
    traces_of(client, told.experiment_id, 2)


def test_the_file_names_an_experiment(served, client):
    served.post("/v1/chat/completions", CHAT | {"model": "filed"})
    experiment = tidegate.eventually(lambda: client.get_experiment_by_name("our calls"))
    (trace,) = traces_of(client, experiment.experiment_id)
    assert trace.info.trace_metadata["mlflow.gateway.endpointId"] == "filed"
