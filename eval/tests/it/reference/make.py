#!/usr/bin/env python3
"""Computes expected metric values with scikit-learn, scipy and MLflow and writes them beside this file.

    python eval/tests/it/reference/make.py

Made with scikit-learn 1.9.1, scipy 1.17.1, mlflow 3.17.2. The inputs are random but fixed; they are written into
cases.json with the values, so that the Rust tests need no Python.
"""

import json
import warnings
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from scipy import stats
from sklearn import metrics as sk

warnings.filterwarnings("ignore")
RANDOM = np.random.default_rng(20261124)


def regression(name, y, p, w=None):
    arguments = {} if w is None else {"sample_weight": w}
    values = {
        "median_absolute_error": sk.median_absolute_error(y, p, **arguments),
        "explained_variance_score": sk.explained_variance_score(y, p, **arguments),
        "mean_pinball_loss": sk.mean_pinball_loss(y, p, alpha=0.9, **arguments),
        "pearsonr": stats.pearsonr(y, p).statistic,
        "spearmanr": stats.spearmanr(y, p).statistic,
    }
    if min(y) >= 0 and min(p) >= 0:
        values["mean_squared_log_error"] = sk.mean_squared_log_error(y, p, **arguments)
        values["root_mean_squared_log_error"] = sk.root_mean_squared_log_error(y, p, **arguments)
    values.update(mlflow_metrics("regressor", y, p, w))
    rows = [{"y": float(a), "p": float(b)} for a, b in zip(y, p)]
    return finish(name, "regression", rows, w, values)


def classification(name, y, p, w=None, scores=None, average=None):
    labels = sorted(set(y) | set(p))
    arguments = {} if w is None else {"sample_weight": w}
    values = {
        "balanced_accuracy_score": sk.balanced_accuracy_score(y, p, **arguments),
        "matthews_corrcoef": sk.matthews_corrcoef(y, p, **arguments),
    }
    values.update(mlflow_metrics("classifier", y, p, w, average))
    rows = [{"y": plain(a), "p": plain(b)} for a, b in zip(y, p)]
    if scores is not None and len(labels) == 2:
        truth = [int(it == labels[1]) for it in y]
        values["log_loss"] = sk.log_loss(truth, scores, labels=[0, 1], **arguments)
        values["roc_auc"] = sk.roc_auc_score(truth, scores, **arguments)
        values["precision_recall_auc"] = sk.average_precision_score(truth, scores, **arguments)
        values["brier_score_loss"] = sk.brier_score_loss(truth, scores, **arguments)
        for row, score in zip(rows, scores):
            row["s1"] = float(score)
    elif scores is not None:
        values["log_loss"] = sk.log_loss(y, scores, labels=labels, **arguments)
        values["roc_auc"] = sk.roc_auc_score(y, scores, multi_class="ovr", average=average or "weighted", **arguments)
        for row, score in zip(rows, scores):
            row.update({f"s{position}": float(it) for position, it in enumerate(score)})
    case = finish(name, "classification", rows, w, values)
    case["average"] = average
    case["scores"] = None if scores is None else [f"s{it}" for it in (range(len(labels)) if len(labels) > 2 else [1])]
    return case


def mlflow_metrics(kind, y, p, w, average=None):
    """What MLflow itself logs for static predictions."""
    config = {"log_model_explainability": False}
    if w is not None:
        config["sample_weights"] = w
    if average is not None:
        config["average"] = average
    with mlflow.start_run():
        result = mlflow.models.evaluate(
            data=pd.DataFrame({"y": y, "p": p}), targets="y", predictions="p", model_type=kind,
            evaluators="default", evaluator_config=config,
        )
    return result.metrics


def finish(name, task, rows, w, values):
    for row, weight in zip(rows, w if w is not None else []):
        row["w"] = float(weight)
    # What is undefined is null; ours leaves such a value out.
    values = {key: None if np.isnan(value) else float(value) for key, value in values.items()}
    return {"name": name, "task": task, "weighted": w is not None, "rows": rows, "values": values}


def plain(value):
    return value.item() if hasattr(value, "item") else value


def main() -> None:
    n = 301
    y, w = RANDOM.normal(5, 2, n), RANDOM.uniform(0, 3, n)
    p = y + RANDOM.normal(0, 1, n)
    few = np.array([3.0, -0.5, 2.0, 7.0])
    positive = np.abs(y)
    cases = [
        regression("few rows", few, np.array([2.5, 0.0, 2.0, 8.0])),
        regression("many rows", y, p),
        regression("weights", y, p, w),
        regression("positive numbers with ties", positive.round(0), np.abs(p).round(0)),
        regression("a zero target", np.array([0.0, 1.0, 2.0]), np.array([0.5, 1.0, 1.5])),
        regression("constant target", np.array([2.0, 2.0, 2.0, 2.0]), np.array([2.0, 1.0, 3.0, 2.0])),
    ]
    truth = RANDOM.integers(0, 2, n)
    scores = np.clip(0.5 + 0.25 * (truth - 0.5) + RANDOM.normal(0, 0.2, n), 0, 1).round(2)
    predicted = (scores > 0.5).astype(int)
    words = np.array(["ham", "spam"])
    three = RANDOM.integers(0, 3, n)
    guessed = np.where(RANDOM.random(n) < 0.6, three, RANDOM.integers(0, 3, n))
    spread = RANDOM.dirichlet([1, 1, 1], n) + np.eye(3)[three]
    spread = spread / spread.sum(axis=1, keepdims=True)
    names = np.array(["bird", "cat", "dog"])
    cases += [
        classification("binary numbers", truth, predicted),
        classification("binary words with scores", list(words[truth]), list(words[predicted]), scores=scores),
        classification("binary with weights", truth, predicted, w, scores),
        classification("three labels", list(names[three]), list(names[guessed]), scores=spread),
        classification("three labels, macro, weights", list(names[three]), list(names[guessed]), w, spread, "macro"),
        classification("three labels, micro", three, guessed, average="micro"),
        classification("a label that is never predicted", np.array([0, 1, 2, 0, 1, 2]), np.array([0, 1, 0, 0, 0, 1])),
    ]
    intervals = {
        "t": list(stats.t.interval(0.95, 4, loc=4.0, scale=stats.sem([1, 2, 3, 4, 10]))),
        "wilson 8 of 10": list(stats.binomtest(8, 10).proportion_ci(0.95, "wilson")),
        "wilson 0 of 5": list(stats.binomtest(0, 5).proportion_ci(0.9, "wilson")),
    }
    path = Path(__file__).with_name("cases.json")
    lines = ",\n".join(json.dumps(case) for case in cases)
    path.write_text(f'{{"intervals": {json.dumps(intervals)},\n"cases": [\n{lines}\n]}}\n')
    print(f"{len(cases)} cases -> {path}")


if __name__ == "__main__":
    mlflow.set_tracking_uri("sqlite://")
    main()
