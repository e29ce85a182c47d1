"""The serving half alone: an exported plan and an online store answer the vectors, without anything else of a store."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import hopyard
from hopyard.errors import (
    ConfigError,
    CorruptStoreError,
    FeatureVectorError,
    FormatVersionError,
    ServingError,
    UntrustedCodeError,
)
from hopyard.feature_store import FeatureStore
from hopyard.feature_view import FeatureView
from hopyard.online import VectorReader

AT = datetime(2026, 1, 1, tzinfo=UTC)
ENTRY = {"customer": 1, "shop": "s"}


def make_view(fs: FeatureStore, name: str = "fraud", **options: Any) -> FeatureView:
    customers = fs.create_feature_group(
        "customers", primary_key="customer", event_time="seen_at", online_enabled=True
    )
    customers.insert([{"customer": n, "seen_at": AT, "n_orders": 3 * n} for n in range(3)])
    customers.append_features(
        {"level": "string", "limit": "decimal(9,2)", "since": "date"},
        defaults={"level": "new", "limit": Decimal("1.50"), "since": date(2020, 2, 29)},
    )
    shops = fs.create_feature_group("shops", primary_key="shop", online_enabled=True)
    shops.insert([{"shop": "s", "rating": 4.5, "tags": ["a", None]}])
    orders = fs.create_feature_group(
        "orders", primary_key="order_id", event_time="at", foreign_key=["customer", "shop"]
    )
    orders.insert(
        [
            {"order_id": n, "at": AT, "customer": n, "shop": "s", "amount": 10.0 * n, "y": n % 2}
            for n in range(3)
        ]
    )
    query = orders.select(["amount", "y"]).join(customers.select_all()).join(shops.select_all())
    return fs.create_feature_view(name, query, labels="y", **options)


@pytest.fixture
def view(fs: FeatureStore) -> FeatureView:
    made = make_view(fs, transformation_functions=[hopyard.standard_scaler("amount")])
    made.create_training_data()
    made.init_serving()
    return made


def test_an_exported_plan_answers_as_the_view_does(view: FeatureView, tmp_path: Path) -> None:
    view.export_serving_plan(tmp_path / "plan.json")
    view.export_serving_plan(tmp_path / "plan.json")  # as often as wanted
    reader = VectorReader.open(tmp_path / "plan.json")
    asked: dict[str, Any] = {"passed_features": {"amount": 15}}
    vector = reader.get_feature_vector(ENTRY, **asked)
    assert vector == view.get_feature_vector(ENTRY, **asked)
    assert vector[1:] == [3, "new", Decimal("1.50"), date(2020, 2, 29), 4.5, ["a", None]]
    assert list(reader.serving_keys) == view.serving_keys
    assert [path.name for path in tmp_path.glob("*plan*")] == ["plan.json"]
    reader.close()


def test_it_needs_the_online_store_and_nothing_else(view: FeatureView, tmp_path: Path) -> None:
    """The plan and the online folder are taken elsewhere; registry, tables and manifests stay behind."""
    view.export_serving_plan(tmp_path / "plan.json")
    session = view._session
    shutil.copytree(session.root / "projects" / session.project / "online", tmp_path / "elsewhere")
    expected = view.get_feature_vector(ENTRY, passed_features={"amount": 15})
    session.online.close()
    shutil.rmtree(session.root)
    program = f"""
import sys
from hopyard.online import VectorReader
reader = VectorReader.open({str(tmp_path / "plan.json")!r}, online="lmdb://{tmp_path / "elsewhere"}")
print(reader.get_feature_vector({ENTRY!r}, passed_features={{"amount": 15}}))
print(sorted({{"duckdb", "pandas", "polars", "deltalake", "sqlalchemy", "sqlglot"}} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [repr(expected), "[]"]


def test_a_plan_names_its_store(view: FeatureView, tmp_path: Path) -> None:
    view.export_serving_plan(tmp_path / "plan.json")
    document = json.loads((tmp_path / "plan.json").read_text())
    assert document["format_version"] == 1
    assert document["online"] == view._session.online.url
    assert document["online"].startswith("lmdb:///")


@pytest.mark.parametrize("dataframe_type", ["pandas", "polars", "arrow", "numpy", "dict"])
def test_every_form_of_a_vector(view: FeatureView, dataframe_type: str) -> None:
    asked: dict[str, Any] = {"passed_features": {"amount": 15}, "return_type": dataframe_type}
    plain = view.get_feature_vector(ENTRY, passed_features={"amount": 15})
    one = view.get_feature_vector(ENTRY, **asked)
    two = view.get_feature_vectors(
        [ENTRY, ENTRY], passed_features=[{"amount": 15}] * 2, return_type=dataframe_type
    )
    if dataframe_type == "dict":
        assert one == dict(zip(view.features, plain, strict=True))
        assert two == [one, one]
    elif dataframe_type == "numpy":
        assert isinstance(one, np.ndarray)
        assert one.shape == (len(plain),)
        assert two.shape == (2, len(plain))
    else:
        kind = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "arrow": pa.Table}[dataframe_type]
        assert isinstance(one, kind)
        assert one.shape == (1, len(plain))
        assert two.shape == (2, len(plain))
        assert list(one.columns if dataframe_type != "arrow" else one.column_names) == view.features


def test_vectors_in_an_event_loop(view: FeatureView) -> None:
    async def ask() -> tuple[Any, Any]:
        asked: dict[str, Any] = {"passed_features": {"amount": 15}}
        one = await view.aget_feature_vector(ENTRY, **asked)
        two = await view.aget_feature_vectors([ENTRY] * 2, passed_features=[{"amount": 15}] * 2)
        with pytest.raises(FeatureVectorError, match="no row online for {'customer': 99}"):
            await view.aget_feature_vector(ENTRY | {"customer": 99}, **asked)
        return one, two

    one, two = asyncio.run(ask())
    assert one == view.get_feature_vector(ENTRY, passed_features={"amount": 15})
    assert two == [one, one]


@hopyard.udf("double")
def doubled(amount: float) -> float:
    return amount * 2


def test_functions_of_users_run_only_where_they_are_trusted(fs: FeatureStore, tmp_path: Path) -> None:
    view = make_view(fs, transformation_functions=[doubled("amount")])
    view.create_training_data()
    view.export_serving_plan(tmp_path / "plan.json")
    reader = VectorReader.open(tmp_path / "plan.json")
    assert reader.get_feature_vector(ENTRY, passed_features={"amount": 15})[-1] == 30.0
    program = f"""
from hopyard.online import VectorReader
VectorReader.open({str(tmp_path / "plan.json")!r})
"""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert UntrustedCodeError.__name__ in done.stderr
    assert "hopyard trust fraud" in done.stderr
    digest = view.transformations[0].function.sha256  # type: ignore[union-attr]
    (tmp_path / "trusted").write_text(digest + "\n")
    environment["HOPYARD_TRUST_FILE"] = str(tmp_path / "trusted")
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)


def test_a_plan_that_is_none(view: FeatureView, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    with pytest.raises(ServingError, match="cannot be read: No such file"):
        VectorReader.open(path)
    path.write_text("{}")
    with pytest.raises(CorruptStoreError, match=r"plan\.json"):
        VectorReader.open(path)
    view.export_serving_plan(path)
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | {"format_version": 99}))
    with pytest.raises(FormatVersionError, match=r"plan\.json"):
        VectorReader.open(path)
    path.write_text(json.dumps(document | {"online": ""}))
    with pytest.raises(ConfigError, match="has no scheme"):
        VectorReader.open(path)
    with pytest.raises(ConfigError, match="cannot be written"):
        view.export_serving_plan(tmp_path / "none" / "plan.json")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("online", "has no scheme"),
        ("ftp://somewhere/online", "scheme 'ftp', which no store serves. Give one of: .*lmdb://"),
        ("lmdb://online", "must name a folder of this machine"),
        ("lmdb:///tmp/x?synch=os", "has no option 'synch'. It has: sync"),
        ("lmdb:///tmp/x?sync=never", "must be one of: commit, os"),
        ("lmdb://[", "is no URL"),
    ],
)
def test_a_url_that_no_store_serves(view: FeatureView, tmp_path: Path, url: str, message: str) -> None:
    view.export_serving_plan(tmp_path / "plan.json")
    with pytest.raises(ConfigError, match=message):
        VectorReader.open(tmp_path / "plan.json", online=url)
