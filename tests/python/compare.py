"""Sends the same requests to Tidegate and to a real `mlflow server`, and compares the answers field by field.

Each side makes ids of its own, so an answer's fields are pairs of values: `pair.post(…)["run"]["info"]["run_id"]` is
a `Both`, which later requests may carry anywhere, within strings too. Before answers are compared, ids become
numbers in order of appearance, so the same id must stand at the same places on both sides; moments near now become
`<time>`, and random names `<name>`.
"""

from __future__ import annotations

import base64
import binascii
import enum
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import requests
from databases import execute
from mlflow import MlflowClient, MlflowException
from mlflow.store.entities import PagedList

FIRST_EXPERIMENT = 7_000_000  # experiment ids of the servers under comparison start here, so that they can be told
TIMEOUT_S = 120
DAY_MS = 86_400_000
BESIDE_THE_POINT = [200, 400, 404, 500]  # statuses of MLflow for what it did not check
SHOWN = 12  # places of one answer
ABSENT = "<absent>"

ID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b|\b[0-9a-f]{32}\b|\b7000\d{3}\b")
MOMENT = re.compile(r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z|\b1[78]\d{11}\b")
RANDOM_NAME = re.compile(r"^[a-z]+-[a-z]+-\d{1,4}$")
PYTHON_SET = re.compile(r"\{'[^{}]*'\}")  # printed in an order that changes with each start of Python
PLACEHOLDER = re.compile("⟦(\\d+)⟧")
TOKENS = ("page_token", "next_page_token")
# MLflow reads these without ORDER BY.
UNORDERED = (
    "attributes",
    "datasetInputs",
    "dataset_inputs",
    "dataset_summaries",
    "model_inputs",
    "model_outputs",
    "params",
    "tags",
)


class Both:
    """A value of which each side has its own."""

    _made: list[Both] = []

    def __init__(self, ours: Any, theirs: Any) -> None:
        self.ours, self.theirs = ours, theirs
        self._number = len(Both._made)
        Both._made.append(self)

    def __getitem__(self, key) -> Both:
        return Both(self.ours[key], self.theirs[key])

    def __str__(self) -> str:
        return f"⟦{self._number}⟧"

    __repr__ = __str__

    def __format__(self, _: str) -> str:
        return str(self)


def resolve(value: Any, side: str) -> Any:
    """What one side is sent."""
    if isinstance(value, Both):
        return getattr(value, side)
    if isinstance(value, str):
        return PLACEHOLDER.sub(lambda found: str(getattr(Both._made[int(found[1])], side)), value)
    if isinstance(value, dict):
        return {resolve(key, side): resolve(item, side) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [resolve(item, side) for item in value]
    return value


@dataclass
class Mask:
    """Replaces what rightly differs between two servers, consistently within one test."""

    url: str
    folder: str
    ids: dict[str, str] = field(default_factory=dict)

    def of(self, value: Any, key: str = "", parent: str = "") -> Any:
        if isinstance(value, dict):
            return {self.text(name): self.of(item, name, key) for name, item in value.items()}
        if isinstance(value, list):
            if key == "model_mappings":
                # MLflow asks for no order, and each database has another. Before ids are numbered, as these differ.
                value = sorted(value, key=lambda it: (it["linkage_type"], it.get("fallback_order", -1), it["weight"]))
            items = [self.of(item, key, parent) for item in value]
            unordered = key in UNORDERED or (key == "metrics" and parent == "data")
            return sorted(items, key=lambda item: json.dumps(item, sort_keys=True)) if unordered else items
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, int):
            return "<time>" if abs(value - time.time() * 1000) < DAY_MS else value
        if isinstance(value, str):
            if key in TOKENS:
                return self.token(value)
            return "<name>" if RANDOM_NAME.match(value) else self.text(value)
        return value

    def token(self, value: str) -> Any:
        try:
            said = json.loads(base64.b64decode(value))
            return self.of({name: item or None for name, item in said.items()})
        except (ValueError, AttributeError, binascii.Error):
            return self.text(value)

    def text(self, text: str) -> str:
        text = text.replace(self.url, "<server>").replace(self.folder, "<folder>")
        text = MOMENT.sub(lambda found: "<time>" if near_now(found[0]) else found[0], text)
        text = PYTHON_SET.sub(lambda found: str(sorted(found[0][1:-1].split(", "))), text)
        return ID.sub(lambda found: self.ids.setdefault(found[0], f"<id {len(self.ids)}>"), text)


def near_now(text: str) -> bool:
    if text.isdigit():
        return abs(int(text) - time.time() * 1000) < DAY_MS
    return text[:10] in {time.strftime("%Y-%m-%d", time.gmtime(time.time() + shift)) for shift in (-86_400, 0, 86_400)}


@dataclass
class Side:
    name: str
    url: str
    mask: Mask
    client: MlflowClient
    session: requests.Session = field(default_factory=requests.Session)


class Pair:
    """Tidegate and MLflow, each on a database of the same kind."""

    def __init__(self, ours, theirs, kind: str, databases: list[str]) -> None:
        self.kind = kind
        self.databases = databases
        self.sides = [
            Side(name, server.url, Mask(server.url, str(folder)), MlflowClient(server.url))
            for name, (server, folder) in (("ours", ours), ("theirs", theirs))
        ]
        self.begin()

    def begin(self) -> None:
        """Forgets the test before."""
        self.differences: list[str] = []
        for side in self.sides:
            side.mask.ids.clear()

    def check(self) -> None:
        """Fails with all differences seen since `begin`."""
        found, self.differences = self.differences, []
        assert not found, f"{len(found)} differences on {self.kind}\n\n" + "\n\n".join(found)

    # --- over HTTP -------------------------------------------------------------------------------------------------

    def get(self, path: str, /, **query) -> Both:
        return self.call("GET", path, params=query)

    def post(self, path: str, body: Any = None, **more) -> Both:
        return self.call("POST", path, {} if body is None else body, **more)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Any = None,
        data: Any = None,
        headers: dict | None = None,
        compared_headers: tuple[str, ...] = (),
        until: str | None = None,
    ) -> Both:
        """One request to each side; answers are compared whole, and returned.

        `until` cuts an error's message after a text, where what follows is the database driver's own wording.
        """
        answers = []
        for side in self.sides:
            answer = side.session.request(
                method,
                side.url + resolve(absolute(path), side.name),
                json=resolve(body, side.name),
                params=resolve(params, side.name),
                data=resolve(data, side.name) if isinstance(data, str) else data,
                headers=headers,
                timeout=TIMEOUT_S,
                allow_redirects=False,
            )
            answers.append(answer)
        ours, theirs = (
            shown(side, answer, compared_headers, until) for side, answer in zip(self.sides, answers, strict=True)
        )
        self.compare(f"{method} {absolute(path)} {brief(body or params or data or '')}", ours, theirs)
        return Both(*(parsed(answer) for answer in answers))

    def nonsense(self, method: str, path: str, body: Any = None, *, says: str, params: Any = None) -> None:
        """A request that MLflow takes, or breaks on, and Tidegate refuses, saying so.

        MLflow goes on with what it understood of a body whose values have the wrong type (200, or 400 for a reason
        that is beside the point), and does not expect a body that is no object (500).
        """
        self.intended(
            "nonsense is refused", method, path, body, params=params, ours=([400], says), theirs=(BESIDE_THE_POINT, "")
        )

    def intended(
        self, reason: str, method: str, path: str, body: Any = None, *, ours: tuple, theirs: tuple, params: Any = None
    ) -> None:
        """A request that the two answer differently, on purpose: each has its statuses, and a text of the answer."""
        for side, (statuses, text) in zip(self.sides, (ours, theirs), strict=True):
            answer = side.session.request(
                method,
                side.url + resolve(absolute(path), side.name),
                json=resolve(body, side.name),
                params=resolve(params, side.name),
                timeout=TIMEOUT_S,
            )
            if answer.status_code not in statuses or text not in answer.text:
                self.differences.append(
                    f"{method} {path} {brief(body or params or '')} ({reason})\n"
                    f"  {side.name} should answer {statuses} with {text!r}: {answer.status_code} {answer.text[:500]}"
                )

    # --- through the real client -----------------------------------------------------------------------------------

    def client(self, what: str, use: Callable[[MlflowClient], Any]) -> Both:
        """Runs the same code with each side's client; what it returns, or raises, is compared."""
        outcomes = []
        for side in self.sides:
            try:
                outcomes.append(use(ClientOf(side)))
            except MlflowException as error:
                outcomes.append({"error_code": error.error_code, "message": error.message})
        self.compare(what, *(side.mask.of(plain(it)) for side, it in zip(self.sides, outcomes, strict=True)))
        return Both(*outcomes)

    def compare(self, what: str, ours: Any, theirs: Any) -> None:
        if ours != theirs:
            lines = list(differing(ours, theirs))
            more = [f"  … and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
            self.differences.append("\n".join([what, *lines[:SHOWN], *more]))


class ClientOf:
    """One side's client, whose calls may be given values of both sides."""

    def __init__(self, side: Side) -> None:
        self.side = side.name
        self.url = side.url
        self._client = side.client

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        if not callable(method):
            return method
        return lambda *args, **kwargs: method(*resolve(args, self.side), **resolve(kwargs, self.side))

    def of(self, value: Any) -> Any:
        return resolve(value, self.side)


def differing(ours: Any, theirs: Any, at: str = "") -> Iterator[str]:
    """One line for each place where two values differ."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted(ours.keys() | theirs.keys()):
            yield from differing(ours.get(key, ABSENT), theirs.get(key, ABSENT), f"{at}.{key}" if at else str(key))
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for number, (our, their) in enumerate(zip(ours, theirs, strict=True)):
            yield from differing(our, their, f"{at}[{number}]")
    elif ours != theirs:
        yield f"  {at}: mlflow {brief(theirs)} | tidegate {brief(ours)}"


def absolute(path: str) -> str:
    return path if path.startswith("/") else f"/api/2.0/mlflow/{path}"


def parsed(answer: requests.Response) -> Any:
    if "json" in answer.headers.get("content-type", ""):
        try:
            return answer.json()
        except ValueError:
            pass
    return answer.text


def shown(side: Side, answer: requests.Response, headers: tuple[str, ...], until: str | None) -> dict:
    """What is compared of an answer."""
    body = parsed(answer)
    if until and isinstance(body, dict) and until in str(body.get("message")):
        body = body | {"message": body["message"].partition(until)[0] + until}
    kind = answer.headers.get("content-type", "").lower().replace(" ", "")
    said = {name: side.mask.of(answer.headers.get(name)) for name in headers}
    return {"status": answer.status_code, "type": kind, "headers": said, "body": side.mask.of(body)}


def brief(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) < 300 else f"{text[:300]}…"


def plain(value: Any) -> Any:
    """An entity of the client as what JSON can say."""
    if isinstance(value, PagedList):
        return {"items": [plain(item) for item in value], "next_page_token": value.token}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(item) for item in value]
    if isinstance(value, float) and value != value:
        return "NaN"
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, enum.Enum):
        return value.name
    names = [name for name in dir(type(value)) if isinstance(getattr(type(value), name), property)]
    fields = {name.lstrip("_"): item for name, item in vars(value).items()}
    return {name: plain(getattr(value, name, None)) for name in {*names, *fields} if not name.startswith("_")}


def start_ids_apart(uri: str, kind: str) -> None:
    """Lets the ids of new experiments begin at a number that stands for nothing else."""
    columns = "experiment_id, name, artifact_location, lifecycle_stage, creation_time, last_update_time, workspace"
    values = f"{FIRST_EXPERIMENT}, 'first', 'mlflow-artifacts:/first', 'active', 1, 1, 'default'"
    execute(uri, f"INSERT INTO experiments ({columns}) VALUES ({values})")
    if kind == "postgresql":
        execute(uri, f"SELECT setval(pg_get_serial_sequence('experiments', 'experiment_id'), {FIRST_EXPERIMENT})")
