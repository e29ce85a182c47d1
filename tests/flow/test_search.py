"""Search: what is found, where it matched, in which order; what is safe; and that the index stays in step."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from groups import make_group
from hopyard.cli import app
from hopyard.errors import ConfigError, NotFoundError
from hopyard.feature_store import FeatureStore
from hopyard.model.search import SEARCH_KINDS, Hit
from hopyard.project import Project
from hopyard.retrieve.search import SearchResult
from hopyard.testing.store import InjectedError, close_store, fail_at, open_store

WEATHER = {"origin": "string", "at": "timestamp", "temp": "double", "wind_speed": "double"}
FLIGHTS = {"id": "bigint", "origin": "string", "dep_delay": "double", "is_late": "boolean"}
OLD_REGISTRY = Path(__file__).parents[1] / "golden" / "registry_0001.sql"


def fill(fs: FeatureStore) -> None:
    weather = make_group(
        fs,
        "weather",
        WEATHER,
        primary_key="origin",
        event_time="at",
        description="Hourly, of New York's airports",
    )
    weather.update_feature_description("temp", "Air temperature, in degrees Celsius")
    weather.add_tag("owner", {"team": "meteo", "level": 3})
    weather.add_tag("unit", "celsius", feature="temp")
    weather.add_keywords(["noaa", "Météo France"])
    flights = make_group(
        fs, "flights", FLIGHTS, [(1, "jfk", 5.0, False), (2, "lga", 60.0, True)], primary_key="id"
    )
    flights.add_tag("owner", "ops")
    flights.add_keywords("bts")
    view = fs.create_feature_view(
        "delays", flights.select(["dep_delay", "is_late"]), labels="is_late", description="Will it be late?"
    )
    view.add_keywords("production")
    view.create_training_data(description="of the first model").add_tag("model", "logistic")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A store that is only read, but for the description of the flights."""
    opened = open_store(tmp_path_factory.mktemp("search") / "store")
    fill(opened.get_feature_store())
    yield opened
    close_store(opened)


@pytest.fixture(scope="module")
def fs(project: Project) -> FeatureStore:
    return project.get_feature_store()


def labels(found: SearchResult | list[Hit]) -> list[str]:
    return [hit.label for hit in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("weather", {"weather_1": ("name",)}),
        ("WEATHER", {"weather_1": ("name",)}),
        ("weath", {"weather_1": ("name",)}),
        ("speed", {"weather_1.wind_speed": ("name",), "weather_1": ("features",)}),
        ("wind_speed", {"weather_1.wind_speed": ("name",), "weather_1": ("features",)}),
        ("celsius", {"weather_1.temp": ("tags", "description")}),
        ("noaa", {"weather_1": ("keywords",)}),
        ("meteo", {"weather_1": ("keywords", "tags")}),
        ("météo", {"weather_1": ("keywords", "tags")}),
        ("team", {"weather_1": ("tags",)}),
        ("york", {"weather_1": ("description",)}),
        ("logistic", {"delays_1_1": ("tags",)}),
        ("production", {"delays_1": ("keywords",)}),
        ("flights delay", {"flights_1.dep_delay": ("name", "group"), "flights_1": ("name", "features")}),
        ("ather", {}),
        ("weather bts", {}),
    ],
)
def test_words_are_found_from_their_beginning_and_where_is_said(
    fs: FeatureStore, text: str, expected: dict[str, tuple[str, ...]]
) -> None:
    assert {hit.label: hit.matched_in for hit in fs.search(text)} == expected


def test_a_name_counts_more_than_a_description_and_that_more_than_a_feature(tmp_path: Path) -> None:
    fs = open_store(tmp_path / "store").get_feature_store()
    make_group(fs, "has_the_feature", {"id": "bigint", "delay": "double"}, primary_key="id")
    make_group(fs, "described", {"id": "bigint"}, primary_key="id", description="about a delay")
    make_group(fs, "delay", {"id": "bigint"}, primary_key="id")
    make_group(fs, "delay_of_trains", {"id": "bigint"}, primary_key="id")
    make_group(fs, "unrelated", {"id": "bigint"}, primary_key="id")
    found = fs.search("delay", kinds="feature_group")
    assert labels(found) == ["delay_1", "delay_of_trains_1", "described_1", "has_the_feature_1"]
    scores = [hit.score for hit in found]
    assert scores[0] == 1.0 and scores == sorted(scores, reverse=True) and scores[-1] > 0
    assert labels(fs.search("delay"))[:2] == ["delay_1", "has_the_feature_1.delay"]


def test_of_equal_things_the_newest_version_comes_first(fs: FeatureStore, tmp_path: Path) -> None:
    own = open_store(tmp_path / "store").get_feature_store()
    for version in (1, 2, 10):
        make_group(own, "g", {"id": "bigint"}, version=version, primary_key="id")
    assert labels(own.search("g", kinds="feature_group")) == ["g_10", "g_2", "g_1"]
    assert labels(own.search("g", kinds="feature_group", limit=1)) == ["g_10"]


def test_only_some_kinds_tags_or_keywords(fs: FeatureStore) -> None:
    assert labels(fs.search(kinds=["feature_view", "training_dataset"])) == ["delays_1", "delays_1_1"]
    assert labels(fs.search(tags={"owner": None})) == ["flights_1", "weather_1"]
    assert labels(fs.search(tags={"owner": "ops"})) == ["flights_1"]
    assert labels(fs.search(tags={"owner": {"team": "meteo", "level": 3}})) == ["weather_1"]
    assert labels(fs.search("origin", tags={"owner": "ops"})) == ["flights_1"]
    assert labels(fs.search(keywords=["noaa", "Météo France"])) == ["weather_1"]
    assert labels(fs.search(keywords=["noaa", "bts"])) == []
    assert labels(fs.search(tags={"unit": "celsius"}, kinds="feature")) == ["weather_1.temp"]
    everything = fs.search()
    assert len(everything) == 2 + len(WEATHER) + len(FLIGHTS) + 2
    assert {hit.kind for hit in everything} == set(SEARCH_KINDS)
    assert everything.feature_groups + everything.feature_views == [
        *fs.search(kinds=["feature_group", "feature_view"])
    ]
    assert len(everything.features) == 8 and len(everything.training_datasets) == 1


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"kinds": "feature_grup"}, NotFoundError, "Did you mean 'feature_group'"),
        (
            {"kinds": ["model"]},
            NotFoundError,
            "There are: feature, feature_group, feature_view, training_dataset",
        ),
        ({"tags": ["owner"]}, ConfigError, "dict of names and values"),
        ({"keywords": [""]}, ConfigError, "'' is no keyword"),
        ({"keywords": 3}, ConfigError, "keywords=3"),
        ({"limit": 0}, ConfigError, "limit=0"),
        ({"text": None}, ConfigError, "None is none"),
        ({"text": " ".join(map(str, range(33)))}, ConfigError, "33 different words"),
    ],
)
def test_what_cannot_be_asked(
    fs: FeatureStore, arguments: dict[str, object], error: type, message: str
) -> None:
    with pytest.raises(error, match=message):
        fs.search(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    ['"', '""', '"weather', "weather\"", "*", "w*", "NEAR(weather temp)", "name:weather", "-weather", "^weather", "(",
     "weather AND", "bts OR noaa", "NOT", "{name}: x", "weather'; DROP TABLE record; --", "\0\"", "we\0ather", "\ud800",
     "%", "_", "x" * 100_000, "\x01"],
)  # fmt: skip
def test_no_sign_is_syntax(fs: FeatureStore, text: str) -> None:
    found = fs.search(text)
    assert (
        "weather_1" in labels(found)
        if text in ('"weather', 'weather"', "w*", "-weather", "^weather")
        else (labels(found) == [])
    )
    assert labels(fs.search("weather")) == ["weather_1"]


@given(text=st.text(max_size=40))
def test_any_text_can_be_asked(fs: FeatureStore, text: str) -> None:
    if text.replace("\0", " ").split():
        assert all(hit.matched_in for hit in fs.search(text))


@given(words=st.lists(st.text("abcXYZ09éß", min_size=1, max_size=8), min_size=1, max_size=5), data=st.data())
def test_a_described_thing_is_found_by_the_beginnings_of_its_words(
    fs: FeatureStore, words: list[str], data: st.DataObject
) -> None:
    flights = fs.get_feature_group("flights")
    flights.update_description('; "'.join(words))
    asked = [word[: data.draw(st.integers(1, len(word)))] for word in words]
    assert "flights_1" in labels(fs.search(" ".join(asked)))


VOCABULARY = [
    "delay",
    "delays",
    "del",
    "temp",
    "temperature",
    "t",
    "gate_2",
    "gate",
    "2",
    "x-ray",
    "x.ray",
    "ray",
]


def words_of(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower())


def is_found(text: str, where: list[str]) -> bool:
    """Say what the manual says, in plain Python: the parts of a word stand in a row, the last one may go on."""
    for asked in map(words_of, text.split()):
        places = ((have, at) for have in map(words_of, where) for at in range(len(have) - len(asked) + 1))
        if not any(
            have[at : at + len(asked) - 1] == asked[:-1] and have[at + len(asked) - 1].startswith(asked[-1])
            for have, at in places
        ):
            return False
    return True


@pytest.fixture(scope="module")
def words_store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    fs = open_store(tmp_path_factory.mktemp("words") / "store").get_feature_store()
    for name in ("delay", "temp_at_gate", "other"):
        make_group(fs, name, {"gate": "string", "x_ray": "double"}, primary_key="gate")
    return fs


@given(
    descriptions=st.lists(st.lists(st.sampled_from(VOCABULARY), max_size=4), min_size=3, max_size=3),
    asked=st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=3),
    cut=st.integers(1, 9),
)
def test_exactly_what_has_the_words_is_found(
    words_store: FeatureStore, descriptions: list[list[str]], asked: list[str], cut: int
) -> None:
    groups = words_store.list_feature_groups()
    for group, words in zip(groups, descriptions, strict=True):
        group.update_description(" ".join(words))
    text = " ".join([*asked[:-1], asked[-1][:cut]])
    expected = {
        group.name for group in groups if is_found(text, [group.name, group.description, "gate x_ray"])
    }
    assert {hit.name for hit in words_store.search(text, kinds="feature_group")} == expected


def test_hits_are_shown_as_a_table(fs: FeatureStore) -> None:
    found = fs.search("noaa")
    assert str(found).splitlines()[0].split() == [
        "kind",
        "name",
        "version",
        "matched",
        "in",
        "score",
        "description",
    ]
    assert (
        str(found)
        .splitlines()[1]
        .startswith("feature group  weather  1        keywords    1.00   Hourly, of New")
    )
    assert repr(found) == "SearchResult(1 hits)"
    assert "<td>weather</td>" in found._repr_html_()
    assert "New York&#x27;s" in found._repr_html_()
    assert str(fs.search("nothing")) == "Nothing was found."
    assert [hit.name for hit in found[:1]] == [found[0].name] == ["weather"]


def test_what_a_table_shows_cannot_be_markup_or_speak_to_a_terminal(tmp_path: Path) -> None:
    fs = open_store(tmp_path / "store").get_feature_store()
    make_group(
        fs, "g", {"id": "bigint"}, primary_key="id", description="<script>alert(1)</script>\x1b[31m\nred"
    )
    found = fs.search("alert")
    assert "<script>" not in found._repr_html_() and "&lt;script&gt;" in found._repr_html_()
    assert "\x1b" not in str(found) and len(str(found).splitlines()) == 2


def test_projects_do_not_see_each_other(tmp_path: Path) -> None:
    first = open_store(tmp_path / "store", project="first").get_feature_store()
    second = open_store(tmp_path / "store", project="second").get_feature_store()
    make_group(first, "g", {"id": "bigint"}, primary_key="id")
    assert labels(first.search("g")) == ["g_1"] and labels(second.search("g")) == []


def test_a_change_is_found_at_once_and_what_was_there_before_is_not(tmp_path: Path) -> None:
    fs = open_store(tmp_path / "store").get_feature_store()
    group = make_group(fs, "g", {"id": "bigint"}, primary_key="id", description="before")
    group.update_description("after").append_features({"humidity": "double"})
    assert labels(fs.search("before")) == [] and labels(fs.search("after")) == ["g_1"]
    assert labels(fs.search("humidity")) == ["g_1.humidity", "g_1"]
    group.add_tag("owner", "ops")
    group.delete_tag("owner")
    assert labels(fs.search("ops")) == []
    group.delete()
    assert labels(fs.search()) == []


def test_a_change_that_is_cut_off_leaves_the_index_as_it_was(tmp_path: Path) -> None:
    whole = open_store(tmp_path / "store").get_feature_store()
    make_group(whole, "g", {"id": "bigint"}, primary_key="id", description="before")
    broken = open_store(tmp_path / "store", failpoint=fail_at("before_registry_commit")).get_feature_store()
    with pytest.raises(InjectedError):
        broken.get_feature_group("g").update_description("after")
    assert labels(whole.search("before")) == ["g_1"] and labels(whole.search("after")) == []


def registry_of(folder: Path) -> Path:
    return folder / "store" / "registry.db"


def run_sql(file: Path, *statements: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(file)) as connection, connection:
        return [row for statement in statements for row in connection.execute(statement).fetchall()]


@pytest.mark.parametrize(
    "damage",
    [
        ["DROP TABLE search_text"],
        ["DROP TABLE search_entry"],
        ["DROP TABLE search_text", "DROP TABLE search_entry"],
        ["DELETE FROM search_entry"],
        ["DELETE FROM search_text"],
        ["DELETE FROM search_text_content"],
        ["DELETE FROM search_entry WHERE name = 'flights'"],
        ["UPDATE search_entry SET revision = 1"],
        ["UPDATE search_entry SET record_id = 'nobody' WHERE name = 'temp'"],
        ["UPDATE record SET revision = revision + 1"],
    ],
)
def test_an_index_that_is_missing_or_out_of_step_is_made_anew(tmp_path: Path, damage: list[str]) -> None:
    fs = open_store(tmp_path / "store").get_feature_store()
    fill(fs)
    expected = [*fs.search(), *fs.search("weather"), *fs.search("late")]
    run_sql(registry_of(tmp_path), *damage)
    assert [*fs.search(), *fs.search("weather"), *fs.search("late")] == expected


@pytest.mark.parametrize("table", ["search_text", "search_entry"])
def test_without_an_index_writing_goes_on(tmp_path: Path, table: str) -> None:
    fs = open_store(tmp_path / "store").get_feature_store()
    group = make_group(fs, "g", {"id": "bigint"}, primary_key="id")
    run_sql(registry_of(tmp_path), f"DROP TABLE {table}")
    group.update_description("still written")
    make_group(fs, "h", {"id": "bigint"}, primary_key="id").delete()
    assert labels(fs.search("written")) == ["g_1"] and labels(fs.search("h")) == []


def test_a_store_written_before_there_was_search_is_brought_up_to_date(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    folder.mkdir()
    (folder / "hopyard.json").write_text('{"format_version":1,"created_at_us":1795762598860347}\n')
    with closing(sqlite3.connect(registry_of(tmp_path))) as connection:
        connection.executescript(OLD_REGISTRY.read_text())
    fs = open_store(folder).get_feature_store()
    assert labels(fs.search("hourly")) == ["weather_1"]
    assert labels(fs.search("air temperature")) == ["weather_1.temp"]
    assert labels(fs.search(tags={"owner": "ops"})) == ["weather_1"]
    assert labels(fs.search("first model")) == ["delays_1_1"]
    group = fs.get_feature_group("weather")
    assert (group.keywords, group.tags) == ([], {"owner": "ops"})
    assert group.add_keywords("noaa") == ["noaa"]
    assert labels(fs.search("noaa")) == ["weather_1"]
    assert run_sql(registry_of(tmp_path), "SELECT version_num FROM alembic_version") == [("0002",)]


def test_many_threads_change_and_search_at_once(tmp_path: Path) -> None:
    fs = open_store(tmp_path / "store").get_feature_store()
    for n in range(4):
        make_group(fs, f"g{n}", {"id": "bigint"}, primary_key="id")

    def work(n: int) -> None:
        for turn in range(5):
            fs.get_feature_group(f"g{n}").update_description(f"turn{turn} of {n}")
            assert labels(fs.search(f"turn{turn} {n}", kinds="feature_group"))[0].startswith("g")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert len(fs.search("turn4")) == 4 and len(fs.search("turn0")) == 0
    [(n_entries,)] = run_sql(registry_of(tmp_path), "SELECT count(*) FROM search_entry")
    assert n_entries == 8


def test_another_process_finds_what_this_one_wrote(project: Project) -> None:
    program = "import sys; sys.argv[0] = 'hopyard'; from hopyard.cli import main; main()"
    arguments = ["--url", project.location, "search", "noaa", "--json"]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={"PYTHONPATH": str(Path(__file__).parents[2] / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    [hit] = json.loads(done.stdout)["hits"]
    assert (hit["kind"], hit["name"], hit["matched_in"]) == ("feature_group", "weather", ["keywords"])
    assert hit["tags"] == {"owner": {"team": "meteo", "level": 3}}


def test_the_command_line(project: Project) -> None:
    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["--url", project.location, "search", *arguments])
        assert done.exit_code == 0, done.output
        return done.output

    assert [line.split() for line in run("speed").splitlines()] == [
        ["kind", "name", "version", "matched", "in", "score", "description"],
        ["feature", "weather.wind_speed", "1", "name", "1.0"],
        ["feature", "group", "weather", "1", "features", *run("speed").splitlines()[2].split()[5:]],
    ]
    found = json.loads(run("--tag", "owner=ops", "--json"))
    assert [hit["name"] for hit in found["hits"]] == ["flights"]
    assert len(json.loads(run("--tag", "owner", "--json"))["hits"]) == 2
    assert [
        h["name"] for h in json.loads(run("--keyword", "bts", "--kind", "feature_group", "--json"))["hits"]
    ] == ["flights"]
    assert "Nothing was found." in run("nothing")
    failed = CliRunner().invoke(app, ["--url", project.location, "search", "--kind", "featur"])
    assert failed.exit_code == 1 and "Did you mean 'feature'?" in failed.stderr
