"""Guardrails that MLflow keeps in the database: judges made with MLflow rate requests and answers here."""

from __future__ import annotations

import json

import openai
import pytest
import tidegate
from databases import execute
from gateway_database import CHAT, PRIVATE, ask, make_endpoint, make_model, name, store_of
from mlflow.entities.gateway_guardrail import GuardrailAction, GuardrailStage
from mlflow.genai.judges import make_judge
from mlflow.genai.scorers import Guidelines, RegexMatch, Scorer
from mlflow.store.tracking.rest_store import RestStore
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mock_upstream import ANSWER
from scripted_upstream import ScriptedUpstream

BEFORE, AFTER = GuardrailStage.BEFORE, GuardrailStage.AFTER
REFUSE, REWRITE = GuardrailAction.VALIDATION, GuardrailAction.SANITIZATION
SECRET = "the tide table is in drawer 7"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("gateway-scorers")


@pytest.fixture(scope="module")
def uri(folder) -> str:
    return f"sqlite:///{folder}/mlflow.db"


@pytest.fixture(scope="module")
def served(folder, uri):
    with tidegate.serve(folder, gateway_config=tidegate.FROM_DATABASE, database=uri, env=PRIVATE) as server:
        yield server


@pytest.fixture(scope="module")
def store(served) -> RestStore:
    return store_of(served)


@pytest.fixture
def rater():
    """The provider behind the endpoints that rate and write anew."""
    upstream = ScriptedUpstream()
    yield upstream
    upstream.close()


@pytest.fixture
def judge(store, rater):
    """The endpoint that rates."""
    return make_endpoint(store, make_model(store, rater, model="judge"))


@pytest.fixture
def theirs(uri, served, monkeypatch, folder) -> SqlAlchemyStore:
    """MLflow's own store on the same database."""
    for variable, value in PRIVATE.items():
        monkeypatch.setenv(variable, value)
    return SqlAlchemyStore(uri, str(folder / "artifacts"))


@pytest.fixture
def guard(store, theirs, upstream):
    """Makes an endpoint with a guardrail."""

    def guard(scorer: Scorer, stage, action=REFUSE, rewriter=None, **more):
        endpoint = make_endpoint(store, make_model(store, upstream), **more)
        version = theirs.register_scorer("0", name("scorer"), json.dumps(scorer.model_dump()))
        made = store.create_gateway_guardrail(
            "no secrets", version.scorer_id, version.scorer_version, stage, action, rewriter and rewriter.endpoint_id
        )
        store.add_guardrail_to_endpoint(endpoint.endpoint_id, made.guardrail_id)
        return endpoint

    return guard


def says(text: str) -> dict:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "judge", "choices": [choice], "usage": usage}


def rating(result: str | bool, rationale: str) -> dict:
    return says(json.dumps({"result": result, "rationale": rationale}))


def shown(rater, index: int = -1) -> str:
    return rater.seen[index].body["messages"][-1]["content"]


def test_a_judge_refuses_a_request_in_mlflows_words(served, guard, judge, rater, upstream):
    scorer = make_judge(name="kind", instructions="Is {{ inputs }} free of secrets?", model=f"gateway:/{judge.name}")
    endpoint = guard(scorer, BEFORE)
    rater.will(rating("yes", "Nothing is secret."))
    answer = ask(served, endpoint.name)
    assert answer.json()["choices"][0]["message"]["content"] == ANSWER
    assert "Is {{ inputs }} free of secrets?" in rater.seen[0].body["messages"][0]["content"]
    assert json.loads(shown(rater).removeprefix("inputs: ")) == CHAT
    asked = len(upstream.requests)
    rater.will(rating("no", "It tells of a drawer."))
    answer = ask(served, endpoint.name)
    assert (answer.status_code, answer.json()["detail"]) == (400, "Guardrail 'no secrets' blocked: It tells of a drawer.")
    assert answer.headers["x-tidegate-guardrails"] == "no secrets; input blocked; rating=1"
    rater.will(rating("no", "It tells of a drawer."))
    client = openai.OpenAI(base_url=f"{served.url}/v1", api_key="not-needed", max_retries=0)
    with pytest.raises(openai.BadRequestError, match="blocked: It tells of a drawer"):
        client.chat.completions.create(model=endpoint.name, stream=True, **CHAT)
    assert len(upstream.requests) == asked


def test_a_judge_of_answers_sees_both_and_holds_streams(served, guard, judge, rater):
    instructions = "Does {{ outputs }} answer {{ inputs }}?"
    scorer = make_judge(name="apt", instructions=instructions, model=f"gateway:/{judge.name}", feedback_value_type=bool)
    endpoint = guard(scorer, AFTER)
    rater.will(rating(True, "It does."))
    assert ask(served, endpoint.name).status_code == 200
    inputs, outputs = shown(rater).split("\n")
    assert json.loads(inputs.removeprefix("inputs: ")) == CHAT
    assert json.loads(outputs.removeprefix("outputs: "))["choices"][0]["message"]["content"] == ANSWER
    rater.will(rating(False, "It does not."))
    answer = ask(served, endpoint.name)
    assert (answer.status_code, answer.json()["detail"]) == (400, "Guardrail 'no secrets' blocked: It does not.")
    client = openai.OpenAI(base_url=f"{served.url}/v1", api_key="not-needed", max_retries=0)
    rater.will(rating(True, "It does."))
    chunks = list(client.chat.completions.create(model=endpoint.name, stream=True, **CHAT))
    assert len(chunks) > 3 and "".join(it.choices[0].delta.content or "" for it in chunks if it.choices) == ANSWER
    rater.will(rating(False, "It does not."))
    with pytest.raises(openai.APIError, match="blocked: It does not"):
        list(client.chat.completions.create(model=endpoint.name, stream=True, **CHAT))


def test_what_fails_is_written_anew(served, guard, store, judge, rater, upstream):
    scorer = make_judge(name="clean", instructions="Is {{ inputs }} clean?", model=f"gateway:/{judge.name}")
    endpoint = guard(scorer, BEFORE, REWRITE, rewriter=judge)
    clean = {"messages": [{"role": "user", "content": "[REDACTED]"}], "model": "another", "tools": []}
    rater.will(rating("no", "It tells where the table is."))
    rater.will(says(f"```json\n{json.dumps(clean)}\n```"))
    answer = ask(served, endpoint.name, messages=[{"role": "user", "content": SECRET}], temperature=0.5)
    assert answer.status_code == 200, answer.text
    assert "It tells where the table is." in shown(rater) and SECRET in shown(rater)
    (_, _, body) = upstream.requests[-1]
    assert (body["messages"], body["model"], "tools" in body) == (clean["messages"], "mock-model", False)
    rater.will(rating("no", "It tells."))
    rater.will(says("I would rather not."))
    answer = ask(served, endpoint.name)
    assert (answer.status_code, answer.json()["detail"]) == (
        400,
        "Guardrail 'no secrets' blocked: Sanitization LLM returned invalid JSON.",
    )


def test_answers_are_written_anew_also_as_streams(served, guard, judge, rater):
    scorer = make_judge(name="clean", instructions="Is {{ outputs }} clean?", model=f"gateway:/{judge.name}")
    endpoint = guard(scorer, AFTER, REWRITE, rewriter=judge)
    clean = says("The tide [REDACTED].") | {"model": "another"}
    client = openai.OpenAI(base_url=f"{served.url}/v1", api_key="not-needed", max_retries=0)
    rater.will(rating("no", "It tells how often."))
    rater.will(says(json.dumps(clean)))
    answer = client.chat.completions.create(model=endpoint.name, **CHAT)
    assert (answer.choices[0].message.content, answer.model) == ("The tide [REDACTED].", "mock-model")
    assert answer.usage.total_tokens == 19
    rater.will(rating("no", "It tells how often."))
    rater.will(says(json.dumps(clean)))
    options = {"include_usage": True}
    chunks = list(client.chat.completions.create(model=endpoint.name, stream=True, stream_options=options, **CHAT))
    assert "".join(it.choices[0].delta.content or "" for it in chunks if it.choices) == "The tide [REDACTED]."
    assert [it.choices[0].finish_reason for it in chunks if it.choices][-1] == "stop"
    assert chunks[-1].usage.total_tokens == 19


def test_other_formats_are_rated_too(served, guard, judge, rater):
    scorer = make_judge(name="clean", instructions="Is {{ outputs }} clean?", model=f"gateway:/{judge.name}")
    endpoint = guard(scorer, AFTER)
    rater.will(rating("no", "It is not."))
    body = {"model": endpoint.name, "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]}
    answer = served.post("/v1/messages", body)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "Guardrail 'no secrets' blocked: It is not."


def test_mlflows_guidelines(served, guard, judge, rater):
    endpoint = guard(Guidelines(guidelines=["Speak of tides alone."], model=f"gateway:/{judge.name}"), AFTER)
    rater.will(rating("yes", "It does."))
    assert ask(served, endpoint.name).status_code == 200
    assert "\n- Speak of tides alone." in rater.seen[-1].body["messages"][0]["content"]


def test_an_endpoint_may_judge_itself(served, store, theirs, guard, rater, upstream):
    """Who rates is not rated: nothing waits for itself."""
    endpoint = make_endpoint(store, make_model(store, rater, model="both"))
    scorer = make_judge(name="self", instructions="Is {{ inputs }} clean?", model=f"gateway:/{endpoint.name}")
    version = theirs.register_scorer("0", name("scorer"), json.dumps(scorer.model_dump()))
    made = store.create_gateway_guardrail("self", version.scorer_id, version.scorer_version, BEFORE, REFUSE)
    store.add_guardrail_to_endpoint(endpoint.endpoint_id, made.guardrail_id)
    rater.will(rating("yes", "It is."))
    rater.will(says("hello"))
    assert ask(served, endpoint.name).json()["choices"][0]["message"]["content"] == "hello"
    store.remove_guardrail_from_endpoint(endpoint.endpoint_id, made.guardrail_id)
    rater.will(says("hello again"))
    assert ask(served, endpoint.name).json()["choices"][0]["message"]["content"] == "hello again"


def test_what_cannot_rate_lets_nothing_pass_and_says_why(served, guard, judge, rater, store, upstream, uri):
    asked = len(upstream.requests)
    outside = make_judge(name="outside", instructions="Is {{ inputs }} clean?", model="openai:/gpt-4o")
    for scorer, why in [
        (RegexMatch(pattern="a"), "MLflow's scorer `RegexMatch` does not rate requests here"),
        (outside, "its judge asks `openai:/gpt-4o`, and only endpoints of this gateway are asked"),
    ]:
        answer = ask(served, guard(scorer, BEFORE).name)
        assert answer.status_code == 503
        assert f"guardrail `no secrets` cannot be run here: {why}" in answer.text
    code = {"name": "c", "call_source": "return True", "call_signature": "()", "original_func_name": "c"}
    endpoint = guard(make_judge(name="j", instructions="{{ inputs }}", model=f"gateway:/{judge.name}"), BEFORE)
    # MLflow refuses to make it, but a row may be older.
    execute(uri, f"UPDATE scorer_versions SET serialized_scorer = '{json.dumps(code)}' WHERE scorer_id = (SELECT g.scorer_id FROM guardrails g JOIN guardrail_configs c ON c.guardrail_id = g.guardrail_id WHERE c.endpoint_id = '{endpoint.endpoint_id}')")
    tidegate.eventually(lambda: "Python code" in ask(served, endpoint.name).text)
    endpoint = guard(make_judge(name="j", instructions="{{ inputs }}", model=f"gateway:/{judge.name}"), BEFORE)
    rater.will(says("I think so."))
    answer = ask(served, endpoint.name)
    assert answer.status_code == 503 and "gave no rating" in answer.text
    store.delete_gateway_endpoint(judge.endpoint_id)
    answer = ask(served, endpoint.name)
    assert answer.status_code == 503 and "is not there" in answer.text
    assert len(upstream.requests) == asked
