"""Definition files are read and never run: what is understood, and what is told as not readable."""

from __future__ import annotations

import pickle
from datetime import timedelta
from pathlib import Path
from textwrap import dedent

import pytest

from hopyard.integrations.feast.definitions import Definitions
from hopyard.integrations.feast.interpret import interpret
from hopyard.integrations.feast.read import read_definitions

HEADER = """
import os
from datetime import timedelta
from pathlib import Path
from feast import *
from feast.types import *
driver = Entity(name="driver", join_keys=["driver_id"])
"""


def read(folder: Path, **files: str) -> Definitions:
    for name, text in files.items():
        path = folder / (name.replace("__", "/").replace("INIT", "__init__") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    return interpret(read_definitions(folder))


def view(arguments: str, source: str = 'FileSource(path="x.parquet", timestamp_field="ts")') -> str:
    return f'{HEADER}v = FeatureView(name="v", entities=[driver], source={source}, {arguments})\n'


def test_nothing_is_run(tmp_path: Path) -> None:
    """Whatever a file would do when imported, it does not do."""
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps({"x": 1}))
    touched = tmp_path / "touched"
    found = read(
        tmp_path,
        evil=f"""
        import os, pathlib, pickle, subprocess, sys
        from feast import Entity, FeatureView, FileSource
        pathlib.Path({str(touched)!r}).write_text("run")
        os.system("touch {touched}")
        subprocess.run(["touch", {str(touched)!r}])
        open({str(touched)!r}, "w")
        class Loud(type):
            pathlib.Path({str(touched)!r}).touch()
        def decorator(function):
            pathlib.Path({str(touched)!r}).touch()
            return function
        @decorator
        def harmless(x=pathlib.Path({str(touched)!r}).touch()): ...
        name = pickle.loads(open("evil.pkl", "rb").read())
        text = f"{{pathlib.Path({str(touched)!r}).touch()}}"
        key = (lambda: pathlib.Path({str(touched)!r}).touch())()
        items = [pathlib.Path({str(touched)!r}).touch() for _ in range(1)]
        index = [1][pathlib.Path({str(touched)!r}).touch() or 0]
        value = sys.modules["os"].system("touch {touched}")
        method = "".join([str(pathlib.Path({str(touched)!r}).touch())])
        driver = Entity(name="driver", join_keys=["driver_id"])
        view = FeatureView(name="v", entities=[driver], source=FileSource(path="x.parquet", timestamp_field="ts"))
        """,
    )
    assert not touched.exists()
    assert [found_view.name for found_view in found.views] == ["v"]
    assert found.problems == []


@pytest.mark.parametrize(
    "lines",
    [
        "s = 'x'\n" + "s = s + s\n" * 200,
        "s = ['x']\n" + "s = s + s\n" * 200,
        "s = 3\n" + "s = s * s\n" * 200,
        "s = 9 ** 9 ** 9 ** 9",
        "s = 'x' * 10 ** 12",
        "s = '%1000000000000d' % 1",
        "s = f'{1:1000000000000}'",
        "s = " + "(" * 90 + "1" + ")" * 90,
        "s = " + "-" * 5000 + "1",
        "s = " + "[" * 5000 + "]" * 5000,
        "s = " + " + ".join(["'a'"] * 5000),
        "s = 1 / 0",
        "s = [1][7]",
        "s = {}['x']",
        "s = timedelta(days=10**30)",
        "s = int('x')",
        "s = Path(1, 2)",
        "s = {[]: 1}",
        "s = list(range(10**12))",
        "s = [x for a in range(9999) for b in range(9999) for x in range(9999)]",
        "s = [[x for x in range(9999)] for y in range(9999)]",
        "s = [1 for x in 5]",
        "s = ['x']\n"
        + "s = [s, s]\n" * 90
        + "t = str(s)\nw = FeatureView(name='w', entities=s, source=s, tags=s)",
        "s = Int64\n"
        + "s = Array(s, s)\n" * 90
        + "w = FeatureView(name='w', schema=[Field(name='f', dtype=s)])",
        "s = '%900000000d' % 1",
        "s = str('x', 'y', 'z', 'w')",
        "from .. import nothing",
        "from ....... import nothing",
        "import a.b.c.d",
    ],
)
def test_odd_expressions_do_no_harm(lines: str, tmp_path: Path) -> None:
    found = read(tmp_path, first=view(""), second=HEADER + lines + "\n")
    assert [found_view.name for found_view in found.views][:1] == ["v"]


def test_files_that_import_each_other_in_a_circle_are_read(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        b='from a import driver\nfrom feast import *\ns = FileSource(path="x", timestamp_field="ts")',
        a='from feast import *\ndriver = Entity(name="driver")\nimport b\nfrom b import s\n'
        'v = FeatureView(name="v", entities=[driver], source=s)',
    )
    assert [(found_view.name, found_view.entities[0].join_keys) for found_view in found.views] == [
        ("v", ("driver",))
    ]


@pytest.mark.parametrize(
    ("ttl", "expected"),
    [
        ("None", None),
        ("timedelta(0)", None),
        ("timedelta(days=1, hours=2)", timedelta(hours=26)),
        ("timedelta(seconds=60 * 60 * 24)", timedelta(days=1)),
        ("timedelta(days=3) - timedelta(days=1)", timedelta(days=2)),
        ("2 * timedelta(weeks=52 * 10)", timedelta(weeks=1040)),
        ("0", None),
    ],
)
def test_ttls(ttl: str, expected: timedelta | None, tmp_path: Path) -> None:
    assert read(tmp_path, a=view(f"ttl={ttl}")).views[0].ttl == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ('"data/x.parquet"', "data/x.parquet"),
        ('"data/" + "x.parquet"', "data/x.parquet"),
        ('f"data/{NAME}.parquet"', "data/x.parquet"),
        ('"data/%s.parquet" % NAME', "data/x.parquet"),
        ('os.path.join("data", "x.parquet")', "data/x.parquet"),
        ('str(Path("data") / "x.parquet")', "data/x.parquet"),
        ('Path("data").joinpath("x.parquet").as_posix()', "data/x.parquet"),
        ('str(Path(__file__).parent / "x.parquet")', "{repo}/defs/x.parquet"),
        ('str(Path(__file__).parent.parent / "x.parquet")', "{repo}/x.parquet"),
        ('str(Path(__file__).resolve().parents[1] / "x.parquet")', "{repo}/x.parquet"),
        ('os.path.join(os.path.dirname(os.path.abspath(__file__)), "x.parquet")', "{repo}/defs/x.parquet"),
        ('f"{os.path.dirname(__file__)}/../x.parquet"', "{repo}/defs/../x.parquet"),
        ('os.getcwd() + "/x.parquet"', "{repo}/x.parquet"),
        ('f"{Path.cwd()}/x.parquet"', "{repo}/x.parquet"),
        ('"file:///data/x.parquet"', "/data/x.parquet"),
        ('PATHS["drivers"]', "x.parquet"),
    ],
)
def test_paths(path: str, expected: str, tmp_path: Path) -> None:
    text = view("", f'FileSource(path={path}, timestamp_field="ts")').replace(
        "driver =", 'NAME = "x"\nPATHS = {"drivers": "x.parquet"}\ndriver =', 1
    )
    found = read(tmp_path, defs__a=text)
    assert found.unreadable == [] and found.problems == []
    assert found.views[0].source.path == expected.format(repo=tmp_path)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("Int32", "int"),
        ("Int64", "bigint"),
        ("Float32", "float"),
        ("Float64", "double"),
        ("String", "string"),
        ("Bytes", "binary"),
        ("Bool", "boolean"),
        ("UnixTimestamp", "timestamp"),
        ("Array(Float32)", "array<float>"),
        ("Array(Array(String))", "array<array<string>>"),
        ("ValueType.INT64", "bigint"),
        ("ValueType.FLOAT", "float"),
        ("ValueType.DOUBLE", "double"),
        ("ValueType.UNIX_TIMESTAMP", "timestamp"),
        ("ValueType.STRING_LIST", "array<string>"),
        ("PrimitiveFeastType.INT64", "bigint"),
        ("feast.types.Int64", "bigint"),
        ("feast.ValueType.BOOL", "boolean"),
        ("Map", None),
    ],
)
def test_types(dtype: str, expected: str | None, tmp_path: Path) -> None:
    text = "import feast\nfrom feast.types import PrimitiveFeastType" + view(
        f'schema=[Field(name="f", dtype={dtype})]'
    )
    assert read(tmp_path, a=text).views[0].fields[0].type == expected


def test_names_come_from_other_files_in_every_form_of_import(tmp_path: Path) -> None:
    package = tmp_path / "my_repo"
    found = read(
        package,
        shared__INIT="from .sources import stats as exported\nDAYS = 2",
        shared__sources='from feast import FileSource\nstats = FileSource(path="x", timestamp_field="ts")',
        shared__entities='import feast as f\ndriver = f.Entity(name="driver", join_keys=["id"])',
        views="""
        from datetime import timedelta as td
        import shared
        import shared.sources
        from shared import entities, exported, DAYS
        from my_repo.shared.entities import driver as d
        from shared.entities import *
        from feast.feature_view import FeatureView as FV
        a = FV(name="a", entities=[entities.driver], source=exported, ttl=td(days=DAYS))
        b = FV(name="b", entities=[d], source=shared.exported, ttl=td(days=shared.DAYS))
        c = FV(name="c", entities=[driver], source=exported, ttl=a.ttl)
        """,
    )
    assert found.problems == [] and found.unreadable == []
    assert [(v.name, v.entities[0].join_keys, v.source.path, v.ttl) for v in found.views] == [
        (name, ("id",), "x", timedelta(days=2)) for name in "abc"
    ]


def test_the_last_of_a_name_counts_and_lists_are_not_registered(tmp_path: Path) -> None:
    source = 'FileSource(path="x", timestamp_field="ts")'
    found = read(
        tmp_path,
        a=f"""
        from feast import *
        v = FeatureView(name="old", entities=[], source={source})
        v = FeatureView(name="new", entities=[], source={source})
        FeatureView(name="unbound", entities=[], source={source})
        views = [FeatureView(name="listed", entities=[], source={source})]
        w, x = FeatureView(name="w", entities=[], source={source}), 3
        try:
            y = FeatureView(name="y", entities=[], source={source})
        except ImportError:
            pass
        """,
    )
    assert [v.name for v in found.views] == ["new", "w", "y"]
    assert [note.what for note in found.notes] == ["feature view 'listed'"]


@pytest.mark.parametrize(
    ("schema", "names"),
    [
        ('[Field(name=f"h_{i}", dtype=Float32) for i in range(3)]', ["h_0", "h_1", "h_2"]),
        ('[Field(name="a", dtype=Int64), *[Field(name=n, dtype=Int64) for n in NAMES]]', ["a", "x", "y"]),
        ('[Field(name=n, dtype=t) for n, t in [("x", Int64), ("y", String)]]', ["x", "y"]),
        ("[Field(name=n, dtype=t) for n, t in TYPES.items()]", ["x", "y"]),
        (
            '[Field(name=f"{a}_{b}", dtype=Int64) for a in NAMES for b in range(2)]',
            ["x_0", "x_1", "y_0", "y_1"],
        ),
        ("list(Field(name=n, dtype=Int64) for n in NAMES)", ["x", "y"]),
        ('COMMON + [Field(name="z", dtype=Int64)]', ["c", "z"]),
    ],
)
def test_fields_in_loops(schema: str, names: list[str], tmp_path: Path) -> None:
    constants = 'n, NAMES = 1, ("x", "y")\nTYPES = {"x": Int64, "y": String}\nCOMMON = [Field(name="c", dtype=Int64)]\n'
    found = read(tmp_path, a=view(f"schema={schema}").replace("v =", constants + "v =", 1) + "after = n\n")
    assert found.unreadable == [] and found.problems == []
    assert [field.name for field in found.views[0].fields] == names


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("vs = [FeatureView(name=n) for n in names()]", "FeatureView: the name 'names'"),
        (
            'vs = [FeatureView(name=n) for n in ["a", "b"] if n != "a"]',
            "a list comprehension with a condition",
        ),
        ('vs = {n: FeatureView(name=n) for n in ["a", "b"]}', "a dict comprehension"),
        ('def make(n):\n    return FeatureView(name=n)\nv = make("x")', "FeatureView in a function"),
        ("for n in names:\n    globals()[n] = FeatureView(name=n)", "FeatureView in a loop"),
        ('if os.environ["X"]:\n    v = FeatureView(name="v")', "FeatureView in an if"),
        ('v = wrap(FeatureView(name="v"))', "FeatureView: the name 'wrap'"),
        ('class A:\n    v = FeatureView(name="v")', "FeatureView in a class"),
        ('v = FeatureView(name=os.environ["NAME"], entities=[], source=None)', "name= cannot be used"),
        (
            'v = FeatureView(name="v", entities=[], source=FileSource(path=os.getenv("P")))',
            "the path of its source",
        ),
        ('v = FeatureView(name="v", entities=[], source=company.Source())', "its source cannot be read"),
        (
            "from company.features import SOURCE, DRIVER\n"
            'v = FeatureView(name="v", entities=[DRIVER], source=FileSource(path="x"))',
            "company.features.DRIVER, of a package that is not read",
        ),
        (
            "from company.features import SOURCE\nv = FeatureView(name='v', entities=[], source=SOURCE)",
            "company.features.SOURCE, of a package that is not read",
        ),
        (
            'v = FeatureView(name="v", entities=[], schema=fields(), source=FileSource(path="x"))',
            "schema= cannot",
        ),
        (
            'v = FeatureView(name="v", entities=[], ttl=ttl_of("v"), source=FileSource(path="x"))',
            "ttl= cannot",
        ),
    ],
)
def test_what_only_running_could_tell_is_told(text: str, reason: str, tmp_path: Path) -> None:
    found = read(tmp_path, a=HEADER + text + "\n", b=view("").replace('name="v"', 'name="other"'))
    assert [v.name for v in found.views] == ["other"]
    assert any(reason in finding.message for finding in found.unreadable), found.unreadable
    assert all(finding.where and finding.where.file == "a.py" for finding in found.unreadable)
    assert found.problems == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def broken(:", "this is no Python file"),
        ("print 'Python 2'", "this is no Python file"),
        ("x = '\0'", "this is no Python file"),
        (
            'v = FeatureView(entities=[driver], source=FileSource(path="x"))',
            "name= cannot be used: it is not given",
        ),
        (
            'v = FeatureView(name="v", entities=["rider"], source=FileSource(path="x"))',
            "no entity is named 'rider'",
        ),
        (
            'v = FeatureView(name="v", entities=[driver], ttl=3, source=FileSource(path="x"))',
            "ttl= cannot be used",
        ),
        (
            'v = FeatureView(name="v", entities=[driver], ttl=-timedelta(1), source=FileSource(path="x"))',
            "negative",
        ),
        ('v = FeatureView(name="v", entities=[driver], source=FileSource())', "the path of its source"),
        ('e = Entity(name="e", join_keys="a")', "join_keys cannot be used: it is 'a'"),
        ('s = FeatureService(name="s", features=[driver])', "is a Entity, which is no feature view"),
        (
            'v = FeatureView(name="v", entities=[driver], source=FileSource(path="x"))\n'
            'w = FeatureView(name="v", entities=[driver], source=FileSource(path="y"))',
            "another feature view has this name, at a.py:8",
        ),
        (
            'v = FeatureView(name="v", entities=[driver], source=FileSource(path="x"), '
            'schema=[Field(name="a", dtype=Int64), Field(name="a", dtype=Int64)])',
            "two fields named 'a'",
        ),
    ],
)
def test_what_is_wrong_is_a_problem(text: str, reason: str, tmp_path: Path) -> None:
    found = read(tmp_path, a=HEADER + text + "\n")
    assert any(reason in finding.message for finding in found.problems), found


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ('BigQuerySource(table="a.b.c", timestamp_field="ts")', "come from a BigQuerySource"),
        ('FileSource(path="s3://bucket/x.parquet", timestamp_field="ts")', "not on this machine"),
        ('KafkaSource(name="k", kafka_bootstrap_servers="x", topic="t")', "rows come from a KafkaSource"),
        ('PushSource(name="p", batch_source=SnowflakeSource(table="T"))', "come from a SnowflakeSource"),
        ("[base]", "other feature views"),
    ],
)
def test_sources_without_counterpart_are_told(source: str, reason: str, tmp_path: Path) -> None:
    text = view("", source).replace(
        "v =", 'base = FeatureView(name="base", entities=[], source=None)\nv =', 1
    )
    found = read(tmp_path, a="from feast.data_source import *\n" + text.replace("from feast import *", ALL))
    absent = {finding.what: finding.message for finding in found.absent}
    assert reason in absent["feature view 'v'"]
    assert "feature group 'v'" in absent["feature view 'v'"] or "Copy the file" in absent["feature view 'v'"]


ALL = """
from feast import *
from feast import BigQuerySource, KafkaSource, SnowflakeSource
"""


def test_streams_bring_their_batch_source(tmp_path: Path) -> None:
    text = """
    from feast import *
    from feast.data_format import JsonFormat
    batch = FileSource(path="x", timestamp_field="ts")
    kafka = KafkaSource(name="k", topic="t", message_format=JsonFormat(schema_json="a int"), batch_source=batch)
    push = PushSource(name="p", batch_source=batch)
    a = FeatureView(name="a", entities=[], source=push)
    b = FeatureView(name="b", entities=[], stream_source=kafka, batch_source=batch)
    c = StreamFeatureView(name="c", entities=[], source=kafka)
    d = FeatureView(name="d", entities=[], source=kafka)

    @stream_feature_view(entities=[], source=kafka, mode="spark")
    def e(df):
        return df
    """
    found = read(tmp_path, a=text)
    assert [v.name for v in found.views] == ["a", "b", "c", "d"]
    assert {v.source.path for v in found.views} == {"x"}
    assert [finding.what for finding in found.absent] == ["feature view 'e'"]
    assert [finding.what for finding in found.notes] == [f"feature view '{name}'" for name in "acde"]


def test_ignored_folders_are_not_read(tmp_path: Path) -> None:
    (tmp_path / ".feastignore").write_text("# comment\nold/\nscratch_*.py\n")
    (tmp_path / "env").mkdir()
    (tmp_path / "env" / "pyvenv.cfg").touch()
    broken = "def broken(:"
    found = read(
        tmp_path,
        a=view(""),
        old__b=broken,
        scratch_1=broken,
        env__lib__c=broken,
        **{".venv__d": broken, "__pycache__": broken},
    )
    assert [v.name for v in found.views] == ["v"]
    assert found.problems == []
