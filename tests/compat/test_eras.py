"""Programs in the style of each era of the API, run as notebooks: features, training, batch and online inference."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from hopyard.compat.check import check_file
from programs import compat, texts, write_notebook, write_script

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("hopyard.compat.hsfs.feature_view") is None
    or importlib.util.find_spec("hopyard.compat.hsfs.training_dataset") is None,
    reason="the feature store's part of the shim is not here",
)

FRAUD_DATA = """
import datetime as dt
import numpy as np
import pandas as pd

rng = np.random.default_rng(7)
n = 200
cards = rng.integers(1, 21, n)
trans_df = pd.DataFrame({
    "tid": np.arange(n),
    "cc_num": cards.astype("int64"),
    "datetime": pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 60 * 24 * 60, n), unit="min"),
    "amount": rng.gamma(2.0, 40.0, n).round(2),
    "category": rng.choice(["Grocery", "Health/Beauty", "Cash Withdrawal"], n),
    "fraud_label": (rng.random(n) < 0.3).astype("int64"),
})
trans_df = trans_df.sort_values("datetime", ignore_index=True)
profiles_df = pd.DataFrame({
    "cc_num": np.arange(1, 21, dtype="int64"),
    "datetime": pd.Timestamp("2025-12-01"),
    "age": rng.integers(18, 90, 20).astype("float64"),
})
"""

CHURN_DATA = """
import numpy as np
import pandas as pd

rng = np.random.default_rng(3)
n = 120
demography_df = pd.DataFrame({
    "customer_id": [f"c{i:03}" for i in range(n)],
    "gender": rng.choice(["Male", "Female"], n),
    "senior": rng.integers(0, 2, n).astype("int64"),
})
customer_df = pd.DataFrame({
    "customer_id": [f"c{i:03}" for i in range(n)],
    "datetime": pd.Timestamp("2026-03-01"),
    "tenure": rng.integers(0, 72, n).astype("float64"),
    "contract": rng.choice(["Month-to-month", "One year", "Two year"], n),
    "churn": rng.integers(0, 2, n).astype("int64"),
})
"""


def run(folder: Path, name: str, *cells: str) -> list[str]:
    """Run a notebook in `folder`, and return what its cells have printed; it must be covered and succeed."""
    path = write_notebook(folder / f"{name}.ipynb", *cells)
    ended = compat("run", path.name, folder=folder)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    troubles = [finding for finding in check_file(path) if finding.status != "covered"]
    assert troubles == []
    return texts(folder / f"{name}.run.ipynb")


def test_card_fraud_as_of_today(tmp_path: Path) -> None:
    run(
        tmp_path,
        "1_feature_pipeline",
        "!pip install -U 'hopsworks[python]' --quiet",
        FRAUD_DATA,
        "import hopsworks\n\nproject = hopsworks.login()\nfs = project.get_feature_store()",
        """
        trans_fg = fs.get_or_create_feature_group(
            name="transactions",
            version=1,
            description="Card transactions",
            primary_key=["cc_num"],
            event_time="datetime",
            online_enabled=True,
        )
        trans_fg.insert(trans_df, write_options={"wait_for_job": True})
        for name, text in {"amount": "In dollars", "category": "What was bought"}.items():
            trans_fg.update_feature_description(name, text)
        profiles_fg = fs.get_or_create_feature_group(
            name="profiles", version=1, primary_key=["cc_num"], event_time="datetime", online_enabled=True
        )
        profiles_fg.insert(profiles_df, wait=True)
        """,
    )
    training = run(
        tmp_path,
        "2_training_pipeline",
        "import hopsworks\n\nproject = hopsworks.login()\nfs = project.get_feature_store()",
        """
        from hopsworks.hsfs.builtin_transformations import min_max_scaler, label_encoder

        trans_fg = fs.get_feature_group("transactions", version=1)
        profiles_fg = fs.get_feature_group("profiles", version=1)
        selected = trans_fg.select(["fraud_label", "amount", "category"]).join(profiles_fg.select(["age"]))
        feature_view = fs.get_or_create_feature_view(
            name="fraud_view",
            version=1,
            query=selected,
            labels=["fraud_label"],
            transformation_functions=[label_encoder("category"), min_max_scaler("amount")],
        )
        """,
        """
        X_train, X_test, y_train, y_test = feature_view.train_test_split(test_size=0.2)
        print(sorted(X_train.columns), len(X_train) + len(X_test), y_train.columns.tolist())
        """,
        """
        import joblib, os
        from sklearn.tree import DecisionTreeClassifier
        from hsml.schema import Schema
        from hsml.model_schema import ModelSchema

        model = DecisionTreeClassifier(max_depth=3).fit(X_train, y_train.values.ravel())
        os.makedirs("fraud_model", exist_ok=True)
        joblib.dump(model, "fraud_model/model.pkl")
        mr = project.get_model_registry()
        fraud_model = mr.sklearn.create_model(
            name="fraud_model",
            metrics={"accuracy": model.score(X_test, y_test.values.ravel())},
            model_schema=ModelSchema(Schema(X_train), Schema(y_train)),
            input_example=X_train.sample(),
            feature_view=feature_view,
        )
        fraud_model.save("fraud_model")
        print(fraud_model.version, fraud_model.training_dataset_version)
        """,
    )
    assert "['age', 'label_encoder_category_', 'min_max_scaler_amount_'] 200 ['fraud_label']" in training[2]
    assert training[3].splitlines()[-1] == "1 1"
    inference = run(
        tmp_path,
        "3_inference",
        "import hopsworks, joblib\n\nproject = hopsworks.login()\nmr = project.get_model_registry()",
        """
        best = mr.get_best_model("fraud_model", "accuracy", "max")
        model = joblib.load(best.download() + "/model.pkl")
        feature_view = best.get_feature_view(init=True)
        batch = feature_view.get_batch_data()
        print(len(batch), len(model.predict(batch)))
        """,
        """
        served = best.get_feature_view(init=True, online=True)
        print(len(served.get_feature_vector({"cc_num": 3})))
        views = best.get_feature_view_provenance().accessible
        datasets = best.get_training_dataset_provenance().accessible
        print([(view.name, view.version) for view in views], [dataset.version for dataset in datasets])
        """,
        """
        feature_view.init_serving(1)
        vector = feature_view.get_feature_vector({"cc_num": 3})
        print(len(vector), len(model.predict([vector])))
        frame = feature_view.get_feature_vectors([{"cc_num": 3}, {"cc_num": 4}], return_type="pandas")
        print(frame.shape)
        """,
    )
    assert inference[1].split() == ["200", "200"]
    assert inference[2].splitlines() == ["3", "[('fraud_view', 1)] [1]"]
    assert inference[3].split() == ["3", "1", "(2,", "3)"]


def test_churn_as_in_2023(tmp_path: Path) -> None:
    printed = run(
        tmp_path,
        "churn",
        CHURN_DATA,
        "import hopsworks\nproject = hopsworks.login()\nfs = project.get_feature_store()",
        """
        demography_fg = fs.get_or_create_feature_group(
            name="customer_demography", version=1, description="Who", primary_key=["customer_id"], online_enabled=True
        )
        demography_fg.insert(demography_df, write_options={"wait_for_job": False})
        customer_fg = fs.get_or_create_feature_group(
            name="customer_info",
            version=1,
            primary_key=["customer_id"],
            online_enabled=True,
            event_time="datetime",
        )
        customer_fg.insert(customer_df)
        """,
        """
        query = customer_fg.select_except(["customer_id", "datetime"]).join(
            demography_fg.select_except(["customer_id"])
        )
        query.show(5)
        names = {"min_max_scaler": ["tenure"], "label_encoder": ["contract", "gender"]}
        transformation_functions = {
            feature: fs.get_transformation_function(name=function)
            for function, features in names.items()
            for feature in features
        }
        feature_view = fs.create_feature_view(
            name="churn_view",
            version=1,
            labels=["churn"],
            transformation_functions=transformation_functions,
            query=query,
        )
        """,
        """
        version, job = feature_view.create_train_test_split(description="Churn", data_format="csv", test_size=0.2)
        X_train, X_test, y_train, y_test = feature_view.get_train_test_split(version)
        print(version, len(X_train) + len(X_test), y_train.columns.tolist())
        """,
        """
        feature_view = fs.get_feature_view("churn_view", 1)
        feature_view.init_serving(1)
        print(len(feature_view.get_feature_vector({"customer_id": "c007"})))
        feature_view.init_batch_scoring(1)
        print(len(feature_view.get_batch_data()))
        """,
    )
    assert printed[4].strip().splitlines()[-1] == "1 120 ['churn']"
    assert printed[5].split()[-2:] == ["4", "120"]


def test_prices_as_in_2020(tmp_path: Path) -> None:
    printed = run(
        tmp_path,
        "prices",
        """
        import hsfs
        import pandas as pd

        connection = hsfs.connection()
        fs = connection.get_feature_store()
        """,
        """
        sales_df = pd.DataFrame({
            "store": [1, 1, 2, 2], "dept": [1, 2, 1, 2], "date": [10, 10, 10, 11], "weekly_sales": [1.0, 2.0, 3.0, 4.0]
        })
        stores_df = pd.DataFrame({"store": [1, 2], "type": ["A", "B"], "size": [100, 200]})
        sales_fg = fs.create_feature_group(
            "sales_fg", version=1, description="Sales", primary_key=["store", "dept", "date"], time_travel_format="HUDI"
        )
        sales_fg.save(sales_df)
        stores_fg = fs.create_feature_group(
            name="store_fg", version=1, description="Stores", primary_key=["store"], time_travel_format=None
        )
        stores_fg.save(stores_df)
        """,
        """
        query = sales_fg.select_all().join(stores_fg.select(["type", "size"]), on=["store"])
        print(len(query.read()))
        td = fs.create_training_dataset(
            name="sales_model",
            version=1,
            description="For sales",
            data_format="csv",
            splits={"train": 0.5, "test": 0.5},
            seed=12,
            label=["weekly_sales"],
        )
        td.save(query)
        print(len(td.read(split="train")) + len(td.read(split="test")))
        """,
        """
        first = list(sales_fg.commit_details())[0]
        sales_fg.insert(pd.DataFrame({"store": [1], "dept": [1], "date": [10], "weekly_sales": [9.0]}))
        now = sales_fg.read()
        before = sales_fg.select_all().as_of(first).read()
        print(now.weekly_sales.max(), before.weekly_sales.max(), len(sales_fg.commit_details()))
        td = fs.get_training_dataset("sales_model", 1)
        print(len(td.read("train")))
        connection.close()
        """,
    )
    assert printed[2].split() == ["4", "4"]
    assert printed[3].split()[:4] == ["9.0", "4.0", "2", "2"]


def test_taxi_as_in_2021(tmp_path: Path) -> None:
    printed = run(
        tmp_path,
        "taxi",
        """
        import hsfs
        import pandas as pd

        fs = hsfs.connection().get_feature_store()
        rides_df = pd.DataFrame({"ride": [1, 2, 3], "zone": [5, 5, 6], "fare": [7.5, 9.0, 11.0]})
        zones_df = pd.DataFrame({"zone": [5, 6], "trips": [100, 50]})
        rides_fg = fs.create_feature_group("rides", version=1, primary_key=["ride"], online_enabled=True)
        rides_fg.save(rides_df)
        zones_fg = fs.create_feature_group("zones", version=1, primary_key=["zone"], online_enabled=True)
        zones_fg.save(zones_df)
        """,
        """
        query = rides_fg.select(["fare", "zone"]).join(zones_fg.select(["trips"]), on=["zone"])
        td = fs.create_training_dataset("taxi", version=1, data_format="csv", label=["fare"])
        td.save(query)
        """,
        """
        td = fs.get_training_dataset("taxi", 1)
        td.init_prepared_statement()
        print(sorted(td.serving_keys))
        """,
    )
    assert "ride" in printed[2]


def test_loans_with_functions_of_their_own(tmp_path: Path) -> None:
    run(
        tmp_path,
        "training",
        """
        import hopsworks
        import pandas as pd
        from hopsworks import udf

        fs = hopsworks.login(project="loans").get_feature_store()
        loans_df = pd.DataFrame({
            "loan": range(10),
            "applied_at": pd.date_range("2026-01-01", periods=10, freq="D"),
            "income": [1000.0 * i for i in range(1, 11)],
            "amount": [500.0 * i * i for i in range(1, 11)],
            "is_paid": [i % 2 for i in range(10)],
        })
        """,
        """
        loans_fg = fs.get_or_create_feature_group(
            "loans", version=1, primary_key=["loan"], event_time="applied_at", online_enabled=True
        )
        loans_fg.insert(loans_df)
        """,
        """
        @udf(float, drop=["amount"])
        def per_income(amount, income):
            return amount / income

        view = fs.get_or_create_feature_view(
            "loans_view",
            version=1,
            query=loans_fg.select(["income", "amount", "is_paid"]),
            labels=["is_paid"],
            transformation_functions=[per_income("amount", "income")],
        )
        X_train, X_test, y_train, y_test = view.train_test_split(
            train_start="2026-01-01", train_end="2026-01-07", test_start="2026-01-07", test_end="2026-02-01"
        )
        assert (X_train.shape, X_test.shape) == ((6, 2), (4, 2)), (X_train, X_test)
        """,
    )
    printed = run(
        tmp_path,
        "inference",
        """
        import hopsworks

        fs = hopsworks.login(project="loans").get_feature_store()
        view = fs.get_feature_view("loans_view", version=1)
        view.init_serving(1)
        vector = view.get_feature_vector({"loan": 3}, return_type="pandas")
        print(vector.columns.tolist(), vector.values.tolist())
        """,
    )
    assert printed[0].splitlines()[-1] == "['income', 'per_income_amount_income_'] [[4000.0, 2.0]]"


def test_the_feature_store_of_another_project_is_opened_and_not_made(tmp_path: Path) -> None:
    printed = run(
        tmp_path,
        "shared",
        "import hopsworks\nhopsworks.login(project='taxi')\nproject = hopsworks.login(project='churn')",
        """
        print(project.get_feature_store("taxi_featurestore").name)
        print(project.get_feature_store().name, project.get_feature_store("churn_featurestore").name)
        try:
            project.get_feature_store("taxis_featurestore")
        except Exception as error:
            print(error)
        """,
    )
    assert printed[1].splitlines() == [
        "taxi_featurestore",
        "churn_featurestore churn_featurestore",
        "No feature store named 'taxis_featurestore'. Did you mean 'taxi_featurestore'?",
    ]


def test_check_follows_the_objects_of_the_feature_store(tmp_path: Path) -> None:
    path = write_script(
        tmp_path / "a.py",
        """
        import hopsworks
        import hsfs

        fs = hopsworks.login().get_feature_store()
        fg = fs.get_or_create_feature_group(name="t", version=1, primary_key=["id"])
        fg.find_neighbors([1.0], k=3)
        fg.selct(["a"])
        query = fg.select(["a"]).join(fg.select_all(), prefix="b_").filter((fg.a > 3) & (fg["b"] < 1))
        query.redd()
        view = fs.get_or_create_feature_view(name="v", version=1, query=query)
        view.trainn()
        version, job = view.create_training_data()
        for one in hsfs.connection().get_feature_store().get_feature_groups("t"):
            one.raed()
        dataset = fs.create_training_dataset("x", version=1)
        dataset.sav(query)
        """,
    )
    assert [(one.line, one.name, one.status) for one in check_file(path) if one.status != "covered"] == [
        (7, "FeatureGroup.find_neighbors", "absent"),
        (8, "FeatureGroup.selct", "unknown"),
        (10, "Query.redd", "unknown"),
        (12, "FeatureView.trainn", "unknown"),
        (15, "FeatureGroup.raed", "unknown"),
        (17, "TrainingDataset.sav", "unknown"),
    ]


def test_a_program_that_fails_in_the_feature_store_is_told_where(tmp_path: Path) -> None:
    write_notebook(
        tmp_path / "a.ipynb",
        "import hopsworks\nfs = hopsworks.login().get_feature_store()",
        "fg = fs.get_feature_group('rides', version=1)\nfg.read()",
    )
    ended = compat("run", "a.ipynb", folder=tmp_path)
    assert ended.returncode == 1
    assert "failed in cell 2, line 2" in ended.stdout
    assert "None: a feature group, a view or a secret that is not there" in ended.stdout
