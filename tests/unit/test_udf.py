"""Users' functions: what may be one, what is kept of it, what it takes and returns, and that a row alone is a row."""

from __future__ import annotations

import math
import os.path
import xml.etree.ElementTree
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from math import sqrt
from math import tau as turn
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hopyard
from hopyard.compute.transform import user_kinds
from hopyard.compute.transform.chain import Transformer, check_all, fit_all
from hopyard.compute.transform.load import load
from hopyard.errors import (
    HopyardError,
    InvalidNameError,
    SchemaMismatchError,
    TrainingDatasetError,
    UntrustedCodeError,
    UserFunctionError,
)
from hopyard.model.arrow import to_arrow
from hopyard.model.codec import from_json, to_json
from hopyard.model.schema import Field, Schema
from hopyard.model.specs import FunctionSpec, TransformationSpec
from hopyard.model.types import parse_type

RATE = 1.5


def helper(x: float) -> float:
    return x


def schema(**types: str) -> Schema:
    return tuple(Field(name=name, type=type_) for name, type_ in types.items())


def table(before: Schema, *columns: Sequence[object]) -> pa.Table:
    arrays = [pa.array(c, to_arrow(f.feature_type)) for f, c in zip(before, columns, strict=True)]
    return pa.Table.from_arrays(arrays, names=[field.name for field in before])


def ready(specs: Sequence[TransformationSpec], rows: pa.Table, before: Schema) -> Transformer:
    return Transformer(specs, fit_all(specs, before, rows.select), before)


def same_bits(specs: Sequence[TransformationSpec], rows: pa.Table, before: Schema) -> pa.Table:
    """Return the rows transformed, after comparing them with each row transformed alone."""
    transformer = ready(specs, rows, before)
    found = transformer.table(rows)
    types = [to_arrow(field.feature_type) for field in transformer.schema]
    assert [(field.name, field.type) for field in found.schema] == [
        (field.name, type_) for field, type_ in zip(transformer.schema, types, strict=True)
    ]
    plain = [[normal(value) for value in row.values()] for row in found.to_pylist()]
    alone = [transformer.row([normal(value) for value in row.values()]) for row in rows.to_pylist()]
    assert [list(map(bits, row)) for row in plain] == [list(map(bits, row)) for row in alone]
    return found


def normal(value: object) -> object:
    """Return a value as the online store gives it."""
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def bits(value: object) -> tuple[str, str]:
    return type(value).__name__, value.hex() if isinstance(value, float) else repr(value)


# What is kept


@hopyard.udf("double", drop=["days"])
def ratio(amount: float, days: int) -> float | None:
    """A comment stays."""
    if amount is None or not days:
        return None  # nothing to divide
    return sqrt(amount) / days * turn + math.floor(len(os.path.sep) * 0.0)


def test_the_source_is_the_function_and_its_imports() -> None:
    assert ratio.source == (
        "from math import sqrt\n"
        "from math import tau as turn\n"
        "import math\n"
        "import os\n"
        "\n\n"
        "def ratio(amount: float, days: int) -> float | None:\n"
        '    """A comment stays."""\n'
        "    if amount is None or not days:\n"
        "        return None  # nothing to divide\n"
        "    return sqrt(amount) / days * turn + math.floor(len(os.path.sep) * 0.0)\n"
    )
    assert ratio.function(4.0, 1) == 2 * math.tau
    assert repr(ratio) == "Udf('ratio', amount, days -> double)"


def test_submodules_and_local_names_are_understood() -> None:
    @hopyard.udf("string")
    def parsed(text: npt.NDArray[Any]) -> str | None:
        found: RATE = [sqrt(len(part)) for part in text.split() if (size := len(part)) and size]  # type: ignore
        element = xml.etree.ElementTree.Element("a")
        inner = lambda helper: helper  # noqa: E731
        return inner(element.tag) + str(found)

    assert parsed.source.startswith(
        "from math import sqrt\nimport xml\nimport xml.etree\nimport xml.etree.El"
    )
    assert parsed.function("abcd") == "a[2.0]"


def test_the_hash_is_of_everything_that_decides() -> None:
    spec = ratio.spec
    changes: list[dict[str, Any]] = [
        {"source": spec.source + "\n"},
        {"mode": "numpy"},
        {"returns": ("float",)},
        {"drop": ()},
        {"name": "other"},
        {"parameters": ("days", "amount")},
    ]
    hashes = {FunctionSpec(**{**facts(spec), **change}).sha256 for change in [{}, *changes]}
    assert len(hashes) == len(changes) + 1
    assert spec.sha256 == ratio("a", "b").source_hash == FunctionSpec(**facts(spec)).sha256


def test_the_hash_stays_what_it_is() -> None:
    """Trust files and stored views hold it."""
    text = "def same(x):\n    return x  # ä\n"
    spec = FunctionSpec(
        name="same", parameters=("x",), returns=("double",), mode="numpy", drop=("x",), source=text
    )
    assert spec.sha256 == "b27c7154a3947f397dda40ccedf207ede98cd6c6e5c71b1eca2f1121f2ae4075"


def facts(spec: FunctionSpec) -> dict[str, Any]:
    return {name: getattr(spec, name) for name in spec.__struct_fields__}


def test_what_was_stored_before_can_be_read() -> None:
    old = b'{"name":"log","features":["x"],"source_hash":"abc","parameters":{}}'
    spec = from_json(TransformationSpec, old, known=1, what="x")
    assert spec.function is None and spec.dropped == {"x"}
    bound = ratio("a", "b")
    assert from_json(TransformationSpec, to_json(bound), known=1, what="x") == bound


def test_code_that_was_changed_does_not_run() -> None:
    changed = FunctionSpec(**{**facts(ratio.spec), "source": "def ratio(a, b):\n    return 1 / 0\n"})
    with pytest.raises(UntrustedCodeError, match="'ratio' .* was not written in this process"):
        load(changed)
    before = schema(a="double", b="bigint")
    forged = TransformationSpec(
        name="ratio", features=("a", "b"), source_hash=ratio.sha256, function=changed, outputs=("r",)
    )
    with pytest.raises(UntrustedCodeError):
        ready([forged], table(before, [1.0], [2]), before)


def not_a_function() -> list[tuple[object, str]]:
    captured = 3

    def closure(x: float) -> float:
        return x + captured

    def constant(x: float) -> float:
        return x * RATE

    def calls(x: float) -> float:
        return helper(x)

    def nowhere(x: float) -> float:
        return x + undefined  # type: ignore[name-defined,no-any-return]  # noqa: F821

    def writes(x: float) -> float:
        global RATE  # noqa: PLW0603
        RATE = x
        return x

    def star(*x: float) -> float:
        return x[0]

    def named(x: float, **more: float) -> float:
        return x

    def keyword(x: float, *, y: float) -> float:
        return x

    def default(x: float, y: float = 1.0) -> float:
        return x

    def nothing() -> float:
        return 1.0

    async def later(x: float) -> float:
        return x

    def many(x: float) -> Any:
        yield x

    def min_max_scaler(x: float) -> float:
        return x

    made: dict[str, Any] = {}
    exec("def made(x):\n    return x", made)
    return [
        (lambda x: x, "is a lambda"),
        (len, "is a builtin_function_or_method"),
        (closure, "captures 'captured' of the function around it"),
        (constant, "uses 'RATE' (float) of the module around it"),
        (calls, "uses 'helper' (function) of the module around it"),
        (nowhere, "uses 'undefined', which is defined nowhere"),
        (writes, "uses 'RATE'"),
        (star, "has the parameter '*x"),
        (named, "has the parameter '**more"),
        (keyword, "has the parameter 'y"),
        (default, "has a default, 'y"),
        (nothing, "has no parameters"),
        (later, "is async"),
        (many, "yields"),
        (min_max_scaler, "is the name of a built-in"),
        (made["made"], "has no source"),
        (3, "is a int"),
    ]


@pytest.mark.parametrize(("function", "message"), not_a_function())
def test_what_cannot_be_stored_is_refused(function: Any, message: str) -> None:
    with pytest.raises(UserFunctionError) as found:
        hopyard.udf("double")(function)
    assert message in str(found.value)


def test_other_decorators_and_names_are_refused() -> None:
    from functools import cache, wraps

    def other(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def wrapper(*args: Any) -> Any:
            return function(*args)

        return wrapper

    with pytest.raises(UserFunctionError, match="is a _lru_cache_wrapper"):

        @hopyard.udf("double")
        @cache
        def cached(x: float) -> float:
            return x

    with pytest.raises(UserFunctionError):

        @hopyard.udf("double")
        @other
        def wrapped(x: float) -> float:
            return x

    with pytest.raises(InvalidNameError, match="'tooMuch'"):

        @hopyard.udf("double")
        def tooMuch(x: float) -> float:
            return x


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"return_type": "integer"}, SchemaMismatchError),
        ({"return_type": complex}, UserFunctionError),
        ({"return_type": ["double"]}, UserFunctionError),
        ({"return_type": []}, UserFunctionError),
        ({"return_type": 5}, UserFunctionError),
        ({"return_type": None}, UserFunctionError),
        ({"return_type": "array<double>[3]"}, UserFunctionError),
        ({"return_type": helper}, UserFunctionError),
        ({"return_type": "double", "mode": "spark"}, UserFunctionError),
        ({"return_type": "double", "drop": ["y"]}, UserFunctionError),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, Any], error: type[HopyardError]) -> None:
    with pytest.raises(error):
        hopyard.udf(**arguments)(helper)


def test_return_types_may_be_pythons() -> None:
    found = hopyard.udf([float, int, str, bool, date, datetime, bytes, "array<double>"])(helper)
    assert found.spec.returns == (
        *("double", "bigint", "string", "boolean", "date", "timestamp", "binary", "array<double>"),
    )


# Binding


@hopyard.udf(["bigint", "string"], drop="a")
def pair(a: int, b: str) -> tuple[int, str]:
    return a, b


def test_results_have_names() -> None:
    assert ratio("x", "y").outputs == ("ratio_x_y",)
    assert pair("x", "y").outputs == ("pair_x_y_0", "pair_x_y_1")
    assert pair("x", "y").alias("p", "q").outputs == ("p", "q")


@pytest.mark.parametrize("names", [(), ("p",), ("p", "p"), ("p", "q", "r")])
def test_an_alias_is_a_name_for_each_result(names: tuple[str, ...]) -> None:
    with pytest.raises(UserFunctionError, match="takes 2 different"):
        pair("x", "y").alias(*names)


def test_names_must_be_valid() -> None:
    with pytest.raises(InvalidNameError):
        pair("x", "y").alias("p", "Q")
    with pytest.raises(UserFunctionError, match="is for functions of your own"):
        hopyard.log("x").alias("y")
    long = "x" * 40
    with pytest.raises(InvalidNameError, match="rename the result"):
        check_all([pair(long, long)], schema(**{long: "bigint"}))


@pytest.mark.parametrize("features", [(), ("x",), ("x", "y", "z"), ("x", 3)])
def test_each_parameter_takes_a_feature(features: Any) -> None:
    with pytest.raises(UserFunctionError, match="takes the names of 2 feature"):
        pair(*features)


def test_columns_stay_unless_they_are_dropped() -> None:
    before = schema(a="bigint", z="double", b="string")
    rows = table(before, [1], [0.5], ["x"])
    assert ready([pair("a", "b").alias("p", "q")], rows, before).schema == schema(
        p="bigint", q="string", z="double", b="string"
    )
    keeps = hopyard.udf("double")(helper)
    assert [f.name for f in ready([keeps("z")], rows, before).schema] == ["a", "z", "b", "helper_z"]
    with pytest.raises(TrainingDatasetError, match="gives 'b'"):
        check_all([pair("a", "b").alias("p", "b")], before)
    extra = rows.append_column("helper_z", pa.array([1.0]))
    with pytest.raises(TrainingDatasetError, match="gives 'helper_z', and the rows have such a column"):
        ready([keeps("z")], rows, before).table(extra)


# What functions take and return


def test_python_functions_take_plain_values() -> None:
    @hopyard.udf("string")
    def seen(b, i, n, f, d, s, y, m, t, o, a, r):  # type: ignore[no-untyped-def]
        return repr([b, i, n, f, d, s, y, m, t, o, a, r])

    before = schema(
        b="boolean", i="int", n="bigint", f="float", d="double", s="string", y="binary", m="decimal(10,2)",
        t="timestamp", o="date", a="array<timestamp>", r="struct<x:double,t:timestamp>",
    )  # fmt: skip
    at = datetime(2025, 5, 1, 8, 30, 0, 1, tzinfo=UTC)
    values = [
        True,
        1,
        2**63 - 1,
        0.5,
        -0.0,
        "\U0001f600",
        b"\x00",
        Decimal("1.50"),
        at,
        at.date(),
        [at, None],
    ]
    rows = table(before, *([value, None] for value in [*values, {"x": 1.0, "t": at}]))
    found = same_bits([seen(*(field.name for field in before)).alias("seen")], rows, before)
    text = found.column("seen").to_pylist()
    assert text[0] == repr([*values, {"x": 1.0, "t": at}])
    assert text[1] == repr([None] * 12)


@pytest.mark.parametrize("mode", ["numpy", "pandas"])
def test_arrays_have_one_type_whatever_the_rows(mode: Any) -> None:
    def seen(b, i, n, f, d, s, y, m, t, o, a):  # type: ignore[no-untyped-def]
        import numpy as np

        kinds = ",".join(str(item.dtype) for item in (b, i, n, f, d, s, y, m, t, o, a))
        values = (str(type(item[0]).__name__) for item in (s, y, m, a))
        result = np.empty(len(b), object)
        result[:] = f"{kinds} {','.join(values)}"
        if hasattr(b, "to_numpy"):
            import pandas

            return pandas.Series(result)
        return result

    before = schema(
        b="boolean", i="int", n="bigint", f="float", d="double", s="string", y="binary", m="decimal(10,2)",
        t="timestamp", o="date", a="array<double>",
    )  # fmt: skip
    at = datetime(2025, 5, 1, 8, 30, 0, 1, tzinfo=UTC)
    values = [True, 1, 2**63 - 1, 0.5, -0.0, "x", b"\x00", Decimal("1.50"), at, at.date(), [1.0]]
    rows = table(before, *([value, None, value] for value in values))
    spec = hopyard.udf("string", mode=mode)(seen)(*(field.name for field in before)).alias("seen")
    found = same_bits([spec], rows, before).column("seen").to_pylist()
    assert found[1] is None and found[0] == found[2]
    numbers = "bool,int32,int64,float32,float64"
    assert found[0] == {
        "numpy": f"{numbers},object,object,object,datetime64[us],datetime64[D],object str,bytes,Decimal,list",
        "pandas": f"{numbers},str,object,object,datetime64[us, UTC],object,object str,bytes,Decimal,list",
    }[mode]  # fmt: skip


def returning(value: object, type_: Any, mode: Any = "python") -> Transformer:
    """Return a transformation by a function that returns this value, whatever it is given."""
    import builtins

    builtins.hopyard_test_value = value  # type: ignore[attr-defined]

    @hopyard.udf(type_, mode=mode)
    def gives(x: float) -> Any:
        import builtins

        return builtins.hopyard_test_value  # type: ignore[attr-defined]

    before = schema(x="double")
    return ready(
        [gives("x").alias(*(f"g{n}" for n in range(len(gives.spec.returns))))], table(before, []), before
    )


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        ("a", "double"),
        (True, "double"),
        (True, "bigint"),
        (1.0, "bigint"),
        (2**63, "bigint"),
        (2**31, "int"),
        (1, "boolean"),
        (1, "string"),
        ("\ud800", "string"),
        ("x", "binary"),
        (1e300, "float"),
        (10**400, "double"),
        (1.5, "decimal(5,2)"),
        (Decimal("1.555"), "decimal(5,2)"),
        (Decimal("1000"), "decimal(5,2)"),
        (date(2025, 1, 1), "timestamp"),
        (datetime(2025, 1, 1), "date"),
        ("2025-01-01", "date"),
        ([1.0, "a"], "array<double>"),
        ((1.0, 2.0), "double"),
    ],
)
def test_a_result_of_another_type_is_an_error(value: object, type_: str) -> None:
    transformer = returning(value, type_)
    for give in (lambda: transformer.row([2.5]), lambda: transformer.table(pa.table({"x": [2.5]}))):
        with pytest.raises(UserFunctionError, match=r"gives\(x=2.5\) returned .*, which is no ") as found:
            give()
        assert parse_type(type_).kind in str(found.value)


@pytest.mark.parametrize("value", [1.0, (1.0,), (1.0, 2, 3), None])
def test_several_results_are_a_tuple(value: object) -> None:
    with pytest.raises(UserFunctionError, match=r"and not a tuple of 2 results \(double, bigint\)"):
        returning(value, ["double", "bigint"]).row([1.0])
    with pytest.raises(UserFunctionError, match="as result 1, which is no bigint"):
        returning((1.0, 2.5), ["double", "bigint"]).row([1.0])


@pytest.mark.parametrize(
    ("value", "mode", "message"),
    [
        (1.0, "numpy", "float, and not an array"),
        (np.float64(1.0), "numpy", "and not an array of one value for each of 2 row"),
        (np.zeros(3), "numpy", r"ndarray of shape \(3,\)"),
        (np.zeros((2, 1)), "numpy", r"ndarray of shape \(2, 1\)"),
        ([1.0, 2.0], "numpy", "list, and not an array"),
        (np.zeros(2), "pandas", "ndarray of shape .*, and not a Series"),
        (pd.Series([1.0, 2.0], index=[1, 0]), "pandas", "another index"),
        (np.array([1.0, "x"], object), "numpy", r"gives\(x=3.5\) returned 'x' \(str\), which is no double"),
        (pd.Series(["a", "b"]), "pandas", r"gives\(x=2.5\) returned 'a' \(str\), which is no double"),
    ],
)
def test_a_result_of_another_shape_is_an_error(value: object, mode: str, message: str) -> None:
    with pytest.raises(UserFunctionError, match=message):
        returning(value, "double", mode).table(pa.table({"x": [2.5, 3.5]}))


@pytest.mark.parametrize(
    ("value", "type_", "expected"),
    [
        (np.array([1, 2], "int8"), "bigint", [1, 2]),
        (np.array([1, 2], "uint64"), "bigint", [1, 2]),
        (np.array([1, 2]), "double", [1.0, 2.0]),
        (np.array([1.1, np.nan]), "float", [float(np.float32(1.1)), math.nan]),
        (np.array(["a", "b"]), "string", ["a", "b"]),
        (np.array(["2025-05-01", "NaT"], "datetime64[D]"), "date", [date(2025, 5, 1), None]),
        (np.array(["2025-05-01", "NaT"], "datetime64[ns]"), "timestamp", [datetime(2025, 5, 1, tzinfo=UTC), None]),
        (np.array([None, 2.0], object), "double", [None, 2.0]),
        (pd.Series([1, None], dtype="Int64"), "bigint", [1, None]),
        (pd.Series([1.5, None], dtype="Float64"), "double", [1.5, None]),
        (pd.Series([1.5, np.nan]), "double", [1.5, math.nan]),
        (pd.Series(["a", None]), "string", ["a", None]),
        (pd.Series([True, None], dtype="boolean"), "boolean", [True, None]),
        (pd.Series([datetime(2025, 5, 1), None]), "timestamp", [datetime(2025, 5, 1, tzinfo=UTC), None]),
        (pd.Series([date(2025, 5, 1), None]), "date", [date(2025, 5, 1), None]),
    ],
)  # fmt: skip
def test_arrays_of_other_types_are_taken_where_they_fit(
    value: Any, type_: str, expected: list[object]
) -> None:
    mode = "pandas" if isinstance(value, pd.Series) else "numpy"
    found = returning(value, type_, mode).table(pa.table({"x": [2.5, 3.5]})).column("g0")
    assert found.type == to_arrow(parse_type(type_))
    assert repr([normal(item) for item in found.to_pylist()]) == repr(expected)


def test_values_of_derived_types_become_plain() -> None:
    from enum import IntEnum, StrEnum

    number, text = IntEnum("E", {"two": 2}), StrEnum("S", {"t": "te"})
    values = (number(2), text("te"), np.float32(1.5), pd.Timestamp(2025, 5, 1), pd.NaT)
    found = returning(values, [int, str, float, datetime, datetime])
    assert [bits(value) for value in found.row([1.0])[1:]] == [
        bits(value) for value in (2, "te", 1.5, datetime(2025, 5, 1, tzinfo=UTC), None)
    ]


def test_what_the_function_raises_is_told_with_its_arguments() -> None:
    @hopyard.udf("double")
    def inverse(x: float) -> float:
        return 1 / x

    before = schema(x="double")
    transformer = ready([inverse("x")], table(before, []), before)
    for give in (lambda: transformer.row([0.0]), lambda: transformer.table(table(before, [1.0, 0.0]))):
        with pytest.raises(UserFunctionError, match=r"inverse\(x=0.0\) raised ZeroDivisionError") as found:
            give()
        assert isinstance(found.value.__cause__, ZeroDivisionError)

    @hopyard.udf("double", mode="numpy")
    def fails(x: npt.NDArray[np.float64]) -> Any:
        raise ValueError("no")

    with pytest.raises(
        UserFunctionError, match=r"fails\(x=1.5\) and 1 more rows, in mode numpy, raised ValueE"
    ):
        Transformer([fails("x")], fit_all([fails("x")], before, table(before, []).select), before).table(
            table(before, [1.5, 2.5])
        )


def test_a_function_may_change_what_it_is_given() -> None:
    @hopyard.udf("double")
    def first(v: list[float]) -> float:
        v.sort()
        return v.pop(0)

    @hopyard.udf("double", mode="numpy")
    def doubled(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        x *= 2
        return x

    before = schema(v="array<double>", x="double")
    rows = table(before, [[3.0, 1.0]], [0.5])
    found = same_bits([first("v"), doubled("x"), doubled("x").alias("again")], rows, before)
    assert found.to_pylist() == [{"v": [3.0, 1.0], "x": 0.5, "first_v": 1.0, "doubled_x": 1.0, "again": 1.0}]
    values: list[object] = [[3.0, 1.0], 0.5]
    ready([first("v"), doubled("x")], rows, before).row(values)
    assert values == [[3.0, 1.0], 0.5]


# Rows that know each other


@pytest.mark.parametrize("mode", ["numpy", "pandas"])
@pytest.mark.parametrize("n_rows", [2, 40])
def test_rows_must_not_know_each_other(mode: Any, n_rows: int) -> None:
    @hopyard.udf("double", mode=mode)
    def centered(x: Any) -> Any:
        return x - x.mean()

    before = schema(x="double")
    rows = table(before, [None, *map(float, range(n_rows))])
    with pytest.raises(
        TrainingDatasetError, match=r"centered\(x=0.0\) gives \[0.0\] for that row alone, and \[-"
    ):
        ready([centered("x")], rows, before)
    with pytest.raises(TrainingDatasetError, match="standard_scaler"):
        ready([hopyard.log("x"), centered("x")], table(before, [1.0, 2.0]), before)


def test_nothing_is_known_of_no_rows() -> None:
    @hopyard.udf("double", mode="numpy")
    def plus(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return x + 1

    before = schema(x="double")
    for values in ([], [None], [1.0]):
        same_bits([plus("x")], table(before, values), before)


# The same bits


@hopyard.udf(["double", "bigint", "string"])
def looked_at(x: float | None, n: int | None) -> tuple[float | None, int | None, str]:
    return (None if n is None else x), (n if n is None or x is None else -(n + 1)), repr((x, n))


@hopyard.udf(["double", "bigint"], mode="numpy")
def by_numpy(x: npt.NDArray[Any], n: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    with np.errstate(all="ignore"):
        return x * 3.7 - n, n ^ 1


@hopyard.udf(["double", "bigint", "boolean"], mode="pandas")
def by_pandas(x: Any, n: Any) -> tuple[Any, Any, Any]:
    return x.where(x > 0, -x), n // 2, x.isna()


NUMBERS = st.none() | st.floats() | st.sampled_from([0.0, -0.0, math.nan, math.inf, 5e-324])
WHOLE = st.none() | st.integers(-(2**63), 2**63 - 1) | st.sampled_from([-(2**63), 2**63 - 1, 0])


@given(rows=st.lists(st.tuples(NUMBERS, WHOLE, st.none() | st.floats(width=32)), max_size=30))
def test_a_table_is_its_rows(rows: list[tuple[float | None, int | None, float | None]]) -> None:
    before = schema(x="double", n="bigint", f="float")
    data = table(before, *([row[at] for row in rows] for at in range(3)))
    specs = [
        looked_at("x", "n").alias("p", "q", "r"),
        hopyard.impute_constant("p", 1.0),
        by_numpy("p", "q").alias("s", "t"),
        by_pandas("s", "n").alias("u", "v", "w"),
        hopyard.log("u"),
        looked_at("f", "t").alias("g", "h", "i"),
        by_numpy("f", "n").alias("j", "k"),
        by_pandas("f", "h").alias("l", "m", "o"),
        hopyard.impute_constant("h", 7),
    ]
    same_bits(specs, data, before)


@given(
    rows=st.lists(
        st.tuples(
            st.none() | st.text(max_size=5),
            st.none() | st.dates(),
            st.none() | st.datetimes(datetime(1, 1, 2), datetime(9999, 1, 1), timezones=st.just(UTC)),
            st.none() | st.lists(st.none() | st.floats(), max_size=3),
            st.none() | st.decimals(-(10**7), 10**7, places=2),
            st.none() | st.booleans(),
        ),
        max_size=20,
    )
)  # fmt: skip
@pytest.mark.parametrize("mode", ["python", "numpy", "pandas"])
def test_all_types_come_back_as_they_were(mode: Any, rows: list[tuple[Any, ...]]) -> None:
    types = ["string", "date", "timestamp", "array<double>", "decimal(10,2)", "boolean"]

    def same(s, o, t, a, m, b):  # type: ignore[no-untyped-def]
        return s, o, t, a, m, b

    before = schema(**dict(zip("sotamb", types, strict=True)))
    spec = hopyard.udf(types, mode=mode)(same)(*"sotamb")
    data = table(before, *([row[at] for row in rows] for at in range(6)))
    found = same_bits([spec], data, before)
    for name, result in zip("sotamb", spec.outputs, strict=True):
        known = [all(value is not None for value in row) or mode == "python" for row in rows]
        expected = [
            v if is_known else None for v, is_known in zip(data.column(name).to_pylist(), known, strict=True)
        ]
        assert list(map(repr, found.column(result).to_pylist())) == list(map(repr, expected))


def test_layout_and_blocks_have_no_influence(monkeypatch: pytest.MonkeyPatch) -> None:
    before = schema(x="double", n="bigint")
    values = [float(n) if n % 3 else None for n in range(50)]
    whole = table(before, values, range(50))
    specs = [looked_at("x", "n"), by_numpy("x", "n"), by_pandas("x", "n")]
    expected = same_bits(specs, whole, before)
    monkeypatch.setattr(user_kinds, "BLOCK_ROWS", 7)
    parts = pa.concat_tables([whole.slice(0, 13), whole.slice(13, 0), whole.slice(13)])
    assert same_bits(specs, parts, before).equals(expected)
    coded = parts.set_column(1, "n", parts.column("n").dictionary_encode())
    assert ready(specs, parts, before).table(coded).drop_columns(["n"]).equals(expected.drop_columns(["n"]))
