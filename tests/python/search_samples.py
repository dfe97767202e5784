"""Data to search in, and random searches over it: filters and orders as people write them, and broken ones."""

from __future__ import annotations

import random
from collections.abc import Callable

import requests

METRICS = ["loss", "Loss", "val loss", "a.b", "top-1", "only-one"]
PARAMS = ["model", "Model", "learning rate", "opt.name", "k-fold"]
TAGS = ["team", "Team", "release date", "git.ref", "mlflow.runName"]
TEXTS = ["alpha", "Alpha", "ALPHA", "beta", "be_ta", "be%ta", "naïve", "NAÏVE", "it's", 'say "x"', "", "x/y z", "0.5", "10"]
NUMBERS = [0, 1, -1, 0.5, 2.5e-7, 1e300, -3.75, 10, 100_000, 0.1]
SPECIAL = ["NaN", "Infinity", "-Infinity"]
DATASETS = [("train", "aa11"), ("train", "bb22"), ("Test", "cc33")]
CONTEXTS = ["training", "Eval", "eval"]
TIMES = [1_700_000_000_000 + step for step in (0, 0, 1, 5, 1000)]

Post = Callable[[str, dict], dict]


def some(draw: random.Random, keys: list[str], folds_case: bool) -> list[str]:
    """A few of the keys; MySQL keeps no two of one owner that differ in their case alone."""
    chosen = draw.sample(keys, draw.randrange(len(keys)))
    return list({key.lower(): key for key in chosen}.values()) if folds_case else chosen


def write_runs(post: Post, seed: int, count: int = 60, folds_case: bool = False) -> list[str]:
    """Makes two experiments with runs that differ in everything a run can be searched by; gives the experiments' ids."""
    draw = random.Random(seed)
    experiments = [post("experiments/create", {"name": f"searched-{seed}-{place}"})["experiment_id"] for place in range(2)]
    for index in range(count):
        run = {"experiment_id": draw.choice(experiments), "start_time": draw.choice(TIMES), "user_id": draw.choice(TEXTS)}
        if name := draw.choice(TEXTS):
            run["run_name"] = name
        run_id = post("runs/create", run)["run"]["info"]["run_id"]
        metrics = [
            {"key": key, "value": value, "timestamp": 1, "step": 0}
            for key in some(draw, METRICS, folds_case)
            for value in [draw.choice(NUMBERS if draw.random() < 0.8 else SPECIAL)]
        ]
        params = [{"key": key, "value": draw.choice(TEXTS)} for key in some(draw, PARAMS, folds_case)]
        tags = [{"key": key, "value": draw.choice(TEXTS)} for key in some(draw, TAGS[:-1], folds_case)]
        post("runs/log-batch", {"run_id": run_id, "metrics": metrics, "params": params, "tags": tags})
        if datasets := draw.sample(DATASETS, draw.randrange(3)):
            post("runs/log-inputs", {"run_id": run_id, "datasets": [dataset(draw, *it) for it in datasets]})
        if draw.random() < 0.7:
            status = draw.choice(["FINISHED", "FAILED", "KILLED"])
            post("runs/update", {"run_id": run_id, "status": status, "end_time": draw.choice(TIMES)})
        if draw.random() < 0.15:
            post("runs/delete", {"run_id": run_id})
    return experiments


def dataset(draw: random.Random, name: str, digest: str) -> dict:
    tags = [{"key": "mlflow.data.context", "value": draw.choice(CONTEXTS)}] if draw.random() < 0.7 else []
    return {
        "tags": tags,
        "dataset": {"name": name, "digest": digest, "source_type": "code", "source": "{}", "schema": "{}", "profile": "{}"},
    }


def write_experiments(post: Post, seed: int, count: int = 20, folds_case: bool = False) -> None:
    draw = random.Random(seed)
    for index in range(count):
        name = f"{draw.choice(TEXTS).replace('/', '')}{index}-{seed}"
        made = post("experiments/create", {"name": name})["experiment_id"]
        for key in some(draw, TAGS[:4], folds_case):
            post("experiments/set-experiment-tag", {"experiment_id": made, "key": key, "value": draw.choice(TEXTS)})
        if draw.random() < 0.2:
            post("experiments/delete", {"experiment_id": made})


def write_models(post: Post, seed: int, experiment: str, count: int = 40, folds_case: bool = False) -> None:
    draw = random.Random(seed)
    run_id = post("runs/create", {"experiment_id": experiment, "start_time": 1})["run"]["info"]["run_id"]
    for _ in range(count):
        model = post(
            "logged-models",
            {
                "experiment_id": experiment,
                "name": draw.choice(["net", "Net", "tree", "tree 2"]),
                "model_type": draw.choice(["Agent", "agent", "LLM"]),
                "source_run_id": run_id,
                "params": [{"key": key, "value": draw.choice(TEXTS)} for key in some(draw, PARAMS[:4], folds_case)],
                "tags": [{"key": key, "value": draw.choice(TEXTS)} for key in some(draw, TAGS[:4], folds_case)],
            },
        )["model"]["info"]["model_id"]
        metrics = [
            {"key": key, "value": draw.choice(NUMBERS), "timestamp": draw.choice([1, 2]), "step": draw.choice([0, 1]),
             "model_id": model, "dataset_name": name, "dataset_digest": digest}
            for key in some(draw, METRICS[:5], folds_case)
            for name, digest in draw.sample(DATASETS, draw.randrange(1, 3))
        ]
        post("runs/log-batch", {"run_id": run_id, "metrics": metrics})


# ---------------------------------------------------------------------------------------------------------- searches


class Searches:
    """Random searches; about a third of them are wrong in one place."""

    def __init__(self, seed: int):
        self.draw = random.Random(seed)

    def run_filter(self) -> str:
        return self.joined([self.run_metric, self.run_text, self.run_attribute, self.run_time, self.run_dataset, self.run_presence])

    def experiment_filter(self) -> str:
        draw = self.draw
        return self.joined([
            lambda: f"{draw.choice(['', 'attribute.'])}name {draw.choice(['=', '!=', 'LIKE', 'ILIKE'])} {self.text()}",
            lambda: f"experiment_id {draw.choice(['=', '!='])} '{draw.randrange(20)}'",
            lambda: f"experiment_id {draw.choice(['IN', 'NOT IN'])} ('1', '{draw.randrange(20)}')",
            lambda: f"{draw.choice(['creation_time', 'last_update_time'])} {self.comparator()} {draw.choice([0, 1800000000000])}",
            lambda: f"{draw.choice(['tag', 'tags'])}.{self.key(TAGS)} {draw.choice(['=', '!=', 'LIKE', 'ILIKE'])} {self.text()}",
            lambda: f"tags.{self.key(TAGS)} {draw.choice(['IS NULL', 'IS NOT NULL'])}",
        ])

    def model_filter(self) -> str:
        draw = self.draw
        texts = ["=", "!=", "LIKE", "ILIKE"]
        return self.joined([
            lambda: f"metrics.{self.key(METRICS)} {self.comparator()} {self.number()}",
            lambda: f"params.{self.key(PARAMS)} {draw.choice(texts)} {self.single()}",
            lambda: f"tags.{self.key(TAGS)} {draw.choice(texts)} {self.single()}",
            lambda: f"{draw.choice(['', 'attributes.'])}name {draw.choice(texts)} {draw.choice(['net', 'Net', '%e%'])!r}",
            lambda: f"name {draw.choice(['IN', 'NOT IN'])} ('net', 'tree')",
            lambda: f"model_type {draw.choice(texts)} {draw.choice(['Agent', 'LLM', 'agent', 'a%'])!r}",
            lambda: f"creation_timestamp {self.comparator()} {draw.choice([0, 1800000000000])}",
            lambda: f"source_run_id != {self.single()}",
        ])

    def run_order(self) -> list[str]:
        return [self.order(self.run_identifier()) for _ in range(self.draw.choice([0, 1, 1, 2, 3]))]

    def experiment_order(self) -> list[str]:
        keys = ["name", "experiment_id", "creation_time", "last_update_time"] + ["attribute.name"] * 2
        wrong = ["tags.team", "status", "attributes.name", ""]
        return [self.order(self.draw.choice(keys + (wrong if self.draw.random() < 0.2 else []))) for _ in range(self.draw.choice([0, 1, 2]))]

    def model_order(self) -> list[dict]:
        draw, found = self.draw, []
        for _ in range(draw.choice([0, 1, 2])):
            field = draw.choice(["name", "creation_timestamp", "model_type", "last_updated_timestamp", *[f"metrics.{it}" for it in METRICS]])
            field = field if draw.random() < 0.9 else draw.choice(["params.model", "nothing", "tags.team"])
            order = {"field_name": field, "ascending": draw.random() < 0.5}
            if field.startswith("metrics.") and draw.random() < 0.4:
                order["dataset_name"], order["dataset_digest"] = draw.choice(DATASETS)
            found.append(order)
        return found

    def model_datasets(self) -> dict:
        if self.draw.random() < 0.7:
            return {}
        chosen = self.draw.sample(DATASETS, self.draw.choice([1, 2]))
        return {"datasets": [{"dataset_name": name, "dataset_digest": digest} for name, digest in chosen]}

    def joined(self, kinds: list[Callable[[], str]]) -> str:
        draw = self.draw
        text = draw.choice([" AND ", " and ", "  AND\n"]).join(draw.choice(kinds)() for _ in range(draw.choice([0, 1, 1, 1, 2, 3])))
        return self.broken(text) if draw.random() < 0.3 else text

    def run_metric(self) -> str:
        return f"{self.draw.choice(['metric', 'metrics'])}.{self.key(METRICS)} {self.comparator()} {self.number()}"

    def run_text(self) -> str:
        entity, keys = self.draw.choice([("params", PARAMS), ("param", PARAMS), ("parameter", PARAMS), ("tags", TAGS), ("tag", TAGS), ("`tags`", TAGS)])
        return f"{entity}.{self.key(keys)} {self.draw.choice(['=', '!=', 'LIKE', 'ILIKE', 'like', 'ilike'])} {self.text()}"

    def run_attribute(self) -> str:
        draw = self.draw
        key = draw.choice(["run_name", "status", "user_id", "artifact_uri", "`Run name`", '"run name"', "run_id"])
        value = {"status": "'FINISHED'", "artifact_uri": "'mlflow-artifacts:/%'"}.get(key) or self.text()
        return f"{draw.choice(['', 'attributes.', 'attr.', 'attribute.', 'run.'])}{key} {draw.choice(['=', '!=', 'LIKE', 'ILIKE'])} {value}"

    def run_time(self) -> str:
        return f"{self.draw.choice(['', 'attributes.'])}{self.draw.choice(['start_time', 'end_time', 'created', 'Created'])} {self.comparator()} {self.draw.choice(TIMES)}"

    def run_dataset(self) -> str:
        draw = self.draw
        field, values = draw.choice([("name", ["train", "test", "t%"]), ("digest", ["aa11", "bb%"]), ("context", CONTEXTS)])
        if draw.random() < 0.4:
            return f"datasets.{field} {draw.choice(['IN', 'NOT IN'])} ('{values[0]}', \"{values[1]}\")"
        return f"{draw.choice(['dataset', 'datasets'])}.{field} {draw.choice(['=', '!=', 'LIKE', 'ILIKE'])} '{draw.choice(values)}'"

    def run_presence(self) -> str:
        entity, keys = self.draw.choice([("params", PARAMS), ("tags", TAGS)])
        return f"{entity}.{self.key(keys)} {self.draw.choice(['IS NULL', 'IS NOT NULL', 'is null', 'is not null'])}"

    def run_identifier(self) -> str:
        draw = self.draw
        if draw.random() < 0.1:
            return draw.choice(["datasets.name", "nothing", "foo.bar", "metrics.", "artifact_uri desc asc", "1", "'x'"])
        return draw.choice([
            f"metrics.{self.key(METRICS)}", f"params.{self.key(PARAMS)}", f"tags.{self.key(TAGS)}", "start_time", "attributes.start_time",
            "created", "end_time", "status", "attributes.run_name", "run_id", "user_id", "attribute.artifact_uri",
        ])

    def order(self, identifier: str) -> str:
        return identifier + self.draw.choice(["", " ASC", " DESC", " desc", " asc", " DESC "][: 5 if self.draw.random() < 0.9 else 6])

    def key(self, keys: list[str]) -> str:
        key = self.draw.choice(keys)
        quote = self.draw.choice(["`", '"', ""]) if key.replace(".", "").isalnum() else self.draw.choice(["`", '"'])
        return f"{quote}{key}{quote}"

    def comparator(self) -> str:
        return self.draw.choice(["=", "!=", "<", "<=", ">", ">="])

    def number(self) -> str:
        return self.draw.choice(["0", "1", "-1", "0.5", "1e2", "2.5e-7", "-3.75", ".5", "1E300", "00010"])

    def text(self) -> str:
        text = self.pattern()
        return f'"{text}"' if "'" in text or ('"' not in text and self.draw.random() < 0.3) else f"'{text}'"

    def single(self) -> str:
        return f"'{self.pattern()}'".replace("'s", "s")

    def pattern(self) -> str:
        text = self.draw.choice(TEXTS)
        return self.draw.choice([text, text, text[:2] + "%", "%" + text[2:], text.replace("a", "_"), text.upper()])

    def broken(self, text: str) -> str:
        """The text with one piece out of place."""
        draw = self.draw
        pieces = text.split(" ")
        place = draw.randrange(len(pieces))
        match draw.randrange(7):
            case 0:
                del pieces[place]
            case 1:
                pieces.insert(place, draw.choice(["AND", "OR", "NOT", "(", ")", "=", "'x'", "1", "metrics.loss", ";", "~", "RLIKE", "x", "IN", "NULL"]))
            case 2:
                pieces[place] = draw.choice(["==", "<>", "1", "'x'", "\"x\"", "x", "()", "('a', 1)", "('a' 'b')", "(1)", "NULL", "foo.bar", "params.model", "metrics.loss", "LIKE", "IN", "1.5", "BETWEEN", "true"])
            case 3:
                pieces[place] = pieces[place].strip("'\"`")
            case 4:
                pieces[place], pieces[-1] = pieces[-1], pieces[place]
            case 5:
                pieces[place] += draw.choice(["'", "x", " or ", ",", ";", ")"])
            case 6:
                pieces[place] = pieces[place].replace(".", draw.choice(["", "..", " . "]))
        return " ".join(pieces)


def poster(url: str) -> Post:
    """Posts to a server that must answer 200."""

    def post(path: str, body: dict) -> dict:
        answer = requests.post(f"{url}/api/2.0/mlflow/{path}", json=body, timeout=60)
        assert answer.status_code == 200, (path, body, answer.text)
        return answer.json()

    return post
