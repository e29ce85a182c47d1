"""Hashes that must never change: manifests and splits of every release rest on them (docs/reference/hashes.md).

A failure here means that the format changed. Do not correct the values: correct the code.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from hopyard.compute.hashing import ContentHasher
from hopyard.compute.row_hash import row_digest, row_hashes
from hopyard.model.arrow import to_arrow, to_arrow_schema
from hopyard.model.manifest import DEFAULT_SEED, RandomSplit
from hopyard.model.schema import Field
from hopyard.model.types import parse_type
from hopyard.retrieve.split import Marks, assign

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "hashes.md"
ARRAY, STRUCT = "array<double>[2]", "struct<n:bigint,s:string>"

# type, values, sha256, row hashes with seed 0
COLUMNS: list[tuple[str, list[Any], str, list[str]]] = [
    (
        "boolean",
        [True, False, None],
        "8e5c9ade671aef48f868ab3165c220604707373b236fc8125a7ce0661eebb1ed",
        ["109663b0ad09e83f", "f737077e0918b22a", "971654071a16da75"],
    ),
    (
        "int",
        [1, -1, -(2**31), None],
        "fbf0effb823612fcb64b6a92b2e8e4c97e2ef6f6d2ef254f5f6230ac640d0329",
        ["109663b0ad09e83f", "bfae9ef9256f4eee", "cd8fdb9e2aed83a3", "971654071a16da75"],
    ),
    (
        "bigint",
        [1, -1, 2**63 - 1, None],
        "65447ddbf1d826be25c775e248eed968ec077de6aab11c1c570b6ead226ea91a",
        ["109663b0ad09e83f", "bfae9ef9256f4eee", "8bea6680c19ccadd", "971654071a16da75"],
    ),
    (
        "float",
        [1.5, -0.0, float("nan"), None],
        "b84c6576a97fc561db5f4c34774a65d81724e455b96f484649dab7b4c948a00a",
        ["72d2456b2591b68f", "23a8905982b70405", "c0869d66f40d02fe", "971654071a16da75"],
    ),
    (
        "double",
        [1.5, -0.0, float("-inf"), float("nan"), None],
        "0ee9f20374343690338497dcf7a9cb913d991b2e3d24fa4d0c1d776ce8e6c9a1",
        ["91404f309a8a33e6", "858267a60257715b", "a4223290438fd719", "5de47e03cdb03fe3", "971654071a16da75"],
    ),
    (
        "string",
        ["", "hops", "exactly8", "Žatec \U0001f33f", "x" * 257, None],
        "3820d52b1db8410f9b754bb24700bedec90e258e1f12f461246425f11df8eb99",
        [
            "f737077e0918b22a",
            "7cc41933bc5ee5d7",
            "4d006b5421d0fc47",
            "4ea318f6c668bbea",
            "5103ba1378a0cba5",
            "971654071a16da75",
        ],
    ),
    (
        "binary",
        [b"", b"\0\xff", None],
        "af6530caab4f141890eed5dde6bfd35a3ca5d1f0ef5fea70e6da69565b913309",
        ["f737077e0918b22a", "358ae8a7b2661b27", "971654071a16da75"],
    ),
    (
        "decimal(38,2)",
        [Decimal("1.25"), Decimal("-99999999999999999999.01"), None],
        "c6a2fd478b062e422668f0af50b5025164b76fcb3726d78814405864a0584a8e",
        ["b3f21c77ec72e642", "9be9dd3d5b888c3e", "5a57f7a9e2872a30"],
    ),
    (
        "timestamp",
        [datetime(2026, 11, 23, 12, 0, 0, 1, tzinfo=UTC), datetime(1969, 12, 31, tzinfo=UTC), None],
        "3da615a601ed68aa8a5fa2363a5a897fbd9d842b7ae4ec1b7989659cdcb1b265",
        ["7d5428a3c55f2af5", "c25aa0ca4b5b50d7", "971654071a16da75"],
    ),
    (
        "date",
        [date(2026, 11, 23), date(1969, 12, 31), None],
        "599dff455e921bf236120f6ffa1a245d8c8a15bf879c05d249702e5497467896",
        ["fea97f14c69456d0", "bfae9ef9256f4eee", "971654071a16da75"],
    ),
    (
        ARRAY,
        [[1.0, 2.0], [2.0, 1.0], [None, 0.0], None],
        "8cdce1ae35410e64e1ac2b094b33dbf3ea895b01c716f27aa78125a580e11c7c",
        ["3940c7513f132a84", "10760016a363bd98", "b5b88a9d9036fd60", "5a57f7a9e2872a30"],
    ),
    (
        "array<string>",
        [["a", "b"], ["ab", ""], [], [None], None],
        "983a315d01b7ddc4862731123eb902e15a1e8d1105acfddc4bbc83dca4b3527d",
        ["363bac529021d5ff", "2584d5ba6e64aab9", "ac9dd992db0e8639", "dc152de3d8ce8ef0", "5a57f7a9e2872a30"],
    ),
    (
        STRUCT,
        [{"n": 1, "s": "a"}, {"n": None, "s": None}, None],
        "d248903c386dafa303fa9ef86db0313082f867d8bbb1c055a2a424734123066f",
        ["4cc1b1a36700bbf3", "25248f95f2213a53", "cbc3ce950b785779"],
    ),
]


@pytest.mark.parametrize(
    ("type_", "values", "sha256", "hashes"), COLUMNS, ids=[type_ for type_, *_ in COLUMNS]
)
def test_columns(type_: str, values: list[Any], sha256: str, hashes: list[str]) -> None:
    schema = (Field(name="a", type=type_),)
    table = pa.table({"a": pa.array(values, to_arrow(parse_type(type_)))})
    hasher = ContentHasher(schema)
    hasher.update(table)
    assert hasher.result().sha256 == sha256
    assert [f"{hash_:016x}" for hash_ in row_hashes(table, schema).tolist()] == hashes


def test_a_table_with_every_type() -> None:
    schema = tuple(Field(name=f"c{at}", type=type_) for at, (type_, *_) in enumerate(COLUMNS))
    rows = [
        {f"c{at}": values[row % len(values)] for at, (_, values, *_) in enumerate(COLUMNS)}
        for row in range(7)
    ]
    table = pa.Table.from_pylist(rows, schema=to_arrow_schema(schema))
    hasher = ContentHasher(schema)
    hasher.update(table)
    found = hasher.result()
    assert found.sha256 == "3d5c9756807eeded27b33ddc3f1fa4a4e5cb086617ea5e5bc7876b4e6f47a71e"
    assert found.rows == row_digest(table, schema) == "0b62dcab7540fdc5ed8fc8e73350e467"
    seeded = row_hashes(table.slice(0, 2), schema, seed=DEFAULT_SEED)
    assert [f"{hash_:016x}" for hash_ in seeded.tolist()] == ["5727c492bd22b4ec", "b72eac1fb8b85395"]


def test_more_than_one_chunk() -> None:
    schema = (Field(name="k", type="bigint"), Field(name="s", type="string"))
    n_rows = 65_537
    table = pa.table(
        {"k": range(n_rows), "s": pa.array([None if k % 5 == 0 else str(k) for k in range(n_rows)])}
    )
    hasher = ContentHasher(schema)
    hasher.update(table)
    assert hasher.result().sha256 == "42eb475b58f8d6d6c6ea52554d1c8b57969ca9fecbc0796dc650c910efee32aa"
    assert hasher.result().rows == "9526c0084a1d7e804711dd8d6aa9d71e"


@pytest.mark.parametrize(
    ("mode", "places"),
    [
        ("threshold", [0, 1, 0, 0, 0, 0, 2, 0, 0, 1, 0, 1, 1, 0, 0, 0, 2, 0, 0, 2]),
        ("exact", [0, 1, 0, 0, 0, 1, 2, 0, 0, 2, 0, 1, 1, 1, 0, 0, 2, 1, 0, 2]),
    ],
)
def test_splits(mode: Any, places: list[int]) -> None:
    split = RandomSplit(names=("train", "validation", "test"), ratios=(0.5, 0.3, 0.2), mode=mode)
    schema = (Field(name="k", type="bigint"),)
    found = assign(split, Marks(hashes=row_hashes(pa.table({"k": range(20)}), schema, seed=split.seed)))
    assert found.tolist() == places


def test_the_page_shows_these_values() -> None:
    page = PAGE.read_text(encoding="utf-8")
    schema = (Field(name="a", type="bigint"),)
    assert f"`{ContentHasher(schema).result().sha256}`" in page
    assert f"`{row_hashes(pa.table({'a': [1]}), schema)[0]:016x}`" in page
