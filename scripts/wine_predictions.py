#!/usr/bin/env python3
"""Trains two models on the wine quality data and writes their predictions for the test rows.

    python scripts/wine_predictions.py

reads configs/eval/wine/wine-quality.csv and writes configs/eval/wine/wine-quality-predictions.csv, which
configs/eval/wine.yaml scores. Same data and same scikit-learn, same file. Made with scikit-learn 1.9.1 and pandas.
"""

from pathlib import Path

import pandas as pd
from sklearn.linear_model import ElasticNet, LinearRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

FOLDER = Path(__file__).resolve().parent.parent / "configs" / "eval" / "wine"
SEED = 42
TEST_SHARE = 0.3


def main() -> None:
    wines = pd.read_csv(FOLDER / "wine-quality.csv")
    train, test = train_test_split(wines, test_size=TEST_SHARE, random_state=SEED)
    features = [name for name in wines.columns if name != "quality"]
    models = {
        "pred_linear": make_pipeline(StandardScaler(), LinearRegression()),
        "pred_elasticnet": make_pipeline(StandardScaler(), ElasticNet(alpha=0.05, l1_ratio=0.5, random_state=SEED)),
    }
    table = test.sort_index().copy()
    table.insert(0, "row", table.index)
    for name, model in models.items():
        model.fit(train[features], train["quality"])
        table[name] = model.predict(table[features]).round(6)
    table.to_csv(FOLDER / "wine-quality-predictions.csv", index=False)
    print(f"{len(table)} test rows -> {FOLDER / 'wine-quality-predictions.csv'}")


if __name__ == "__main__":
    main()
