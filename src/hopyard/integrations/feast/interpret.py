"""What the objects of a Feast repository mean, in the forms that they had from Feast 0.10 on."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from datetime import timedelta

from hopyard.integrations.feast.definitions import (
    Definitions,
    EntityDefinition,
    FieldDefinition,
    Finding,
    Part,
    ServiceDefinition,
    SourceDefinition,
    ViewDefinition,
)
from hopyard.integrations.feast.dtypes import feature_type, shown
from hopyard.integrations.feast.read import Found
from hopyard.integrations.feast.values import Made, Projection, Symbol, Unreadable

VIEWS = frozenset({"FeatureView", "BatchFeatureView", "StreamFeatureView", "LabelView"})
_POSITIONAL = {
    "Entity": ("name", "value_type", "description", "join_key"),
    "FeatureView": ("name", "entities", "ttl"),
    "Feature": ("name", "dtype"),
    "Field": ("name", "dtype"),
    "FeatureService": ("name", "features"),
    "PushSource": ("name", "schema", "batch_source"),
}
_STREAMS = frozenset({"PushSource", "KafkaSource", "KinesisSource"})
_ABSENT = {
    "OnDemandFeatureView": "it is computed by a function of yours, which is not read. Write it again with hopyard.udf "
    "(see how-to/transformations.md), and give it to a feature view or a feature group.",
    "FeatureTable": "this form is older than Feast 0.10. Create a feature group and insert its rows.",
    "Permission": "Hopyard has no permissions of its own yet: use those of the folder.",
    "SavedDataset": "make a training dataset: FeatureView.create_training_data(spine=...).",
    "ValidationReference": "nothing like it: check training data in your pipeline before you train.",
}
_REGISTERED = ("View", "Service", "Table", "Dataset", "Reference", "Permission")
"""How the classes end that Feast keeps in its registry, also those of versions to come."""


class _CannotUseError(Exception):
    """An argument that cannot be used; the message says which and why."""


def interpret(found: Found) -> Definitions:
    """Return the feature views and services among what was read."""
    return _Interpreter(found).definitions


class _Interpreter:
    def __init__(self, found: Found) -> None:
        self.definitions = Definitions()
        for unread in found.unread:
            found_in = self.definitions.problems if unread.is_broken else self.definitions.unreadable
            found_in.append(Finding("definition file", unread.where, unread.message))
        for made in found.listed:
            if made.kind.endswith(_REGISTERED):
                message = (
                    "it is in a list, and Feast registers only what has a name of its own: it is left out"
                )
                self.definitions.notes.append(Finding(_what(made), made.where, message))
        objects = [made for _, made in found.objects]
        self.entities: dict[str, EntityDefinition] = {}
        self.absent_views: dict[str, Finding] = {}
        for made in objects:
            if made.kind == "Entity":
                self._checked(made, self._register_entity)
        for made in objects:
            if made.kind in VIEWS:
                self._checked(made, self._view)
            elif made.kind != "FeatureService":
                self._other(made)
        for made in objects:
            if made.kind == "FeatureService":
                self._checked(made, self._service)

    def _checked(self, made: Made, use: object) -> None:
        try:
            use(made)  # type: ignore[operator]
        except _CannotUseError as error:
            finding = Finding(_what(made), made.where, str(error))
            if not _has_unreadable(made):
                self.definitions.problems.append(finding)
                return
            self.definitions.unreadable.append(finding)
            name = _argument(made, "name")
            if made.kind in VIEWS and isinstance(name, str):
                self.absent_views[name] = finding

    def _other(self, made: Made) -> None:
        message = _ABSENT.get(made.kind)
        if message is not None:
            self.definitions.absent.append(Finding(_what(made), made.where, message))
        elif made.kind.endswith(_REGISTERED):
            self.definitions.absent.append(
                Finding(
                    _what(made), made.where, f"feast.{made.kind} is not known to this import; it is left out."
                )
            )

    def _register_entity(self, made: Made) -> None:
        entity = self._entity(made)
        known = self.entities.get(entity.name)
        if known is not None and known.join_keys != entity.join_keys:
            raise _CannotUseError(
                f"another entity has this name, with other join keys, at {known.where}: rename one of them"
            )
        self.entities[entity.name] = entity

    def _entity(self, made: Made) -> EntityDefinition:
        name = _text(made, "name", required=True)
        keys = made.given("join_keys")
        if keys is not None and not _is_texts(keys):
            raise _CannotUseError(f"join_keys cannot be used: {_why(keys)}")
        join_keys = tuple(str(key) for key in keys) if isinstance(keys, (list, tuple)) else ()
        return EntityDefinition(
            name=name,
            join_keys=join_keys or (_text(made, "join_key") or name,),
            type=feature_type(_argument(made, "value_type")),
            description=_text(made, "description"),
            where=made.where,
        )

    def _view(self, made: Made) -> None:
        name = _text(made, "name", required=True)
        clash = next((view for view in self.definitions.views if view.name == name), None)
        if clash is not None or name in self.absent_views:
            other = clash.where if clash is not None else self.absent_views[name].where
            raise _CannotUseError(f"another feature view has this name, at {other}: rename one of them")
        source = self._file_source(made, name)
        if source is None:
            return
        self.definitions.views.append(
            ViewDefinition(
                name=name,
                entities=self._view_entities(made),
                fields=self._fields(made),
                source=source,
                ttl=_ttl(made),
                online=_flag(made, "online", default=True),
                description=_text(made, "description"),
                tags=_tags(made),
                where=made.where,
            )
        )

    def _file_source(self, made: Made, name: str) -> SourceDefinition | None:
        """Return the file behind a view; None: there is none, which is told."""
        source = made.given("source", "batch_source", "input")
        if made.kind == "StreamFeatureView" or (isinstance(source, Made) and source.kind in _STREAMS):
            stream = source if isinstance(source, Made) else made
            if stream.kind != "FileSource":
                source = stream.given("batch_source") or made.given("batch_source") or stream
            kind = stream.kind if stream.kind in _STREAMS else made.kind
            if isinstance(source, Made) and source is not stream:
                self.definitions.notes.append(
                    Finding(
                        f"feature view {name!r}",
                        made.where,
                        f"the rows of its {kind} are not imported, only those of its batch source. "
                        "Insert new rows with FeatureGroup.insert()",
                    )
                )
        policy = made.given("conflict_policy")
        if made.kind == "LabelView" and isinstance(policy, Symbol) and policy.name != "LAST_WRITE_WINS":
            self._no_counterpart(
                made,
                name,
                f"its labels are chosen by {policy.name}, and here the last one that is inserted counts. Choose "
                f"them in a pipeline, insert them into a feature group {name!r}, and import again.",
            )
            return None
        function = made.given("udf", "feature_transformation", "aggregations")
        if function is not None:
            self._no_counterpart(
                made,
                name,
                "its rows are made by a transformation or aggregations, which are code that is not run. Compute them "
                f"in a pipeline, insert them into a feature group {name!r}, and import again.",
            )
            return None
        if isinstance(source, (Symbol, Unreadable)):
            raise _CannotUseError(f"its source cannot be read: {_why(source)}")
        if not isinstance(source, Made):
            kind = (
                "other feature views"
                if isinstance(source, (list, Projection))
                else "no source that is a file"
            )
            self._no_counterpart(
                made,
                name,
                f"it has {kind}. Insert its rows into a feature group {name!r}, and import again.",
            )
            return None
        if source.kind != "FileSource":
            self._no_counterpart(
                made,
                name,
                f"its rows come from a {source.kind}. Read them with that system's own client, insert them into a "
                f"feature group {name!r}, and import again.",
            )
            return None
        return self._source(source, name, made)

    def _no_counterpart(self, made: Made, name: str, message: str) -> None:
        finding = Finding(f"feature view {name!r}", made.where, message)
        self.absent_views[name] = finding
        self.definitions.absent.append(finding)

    def _source(self, source: Made, name: str, view: Made) -> SourceDefinition | None:
        path = source.given("path", "file_url")
        if not isinstance(path, (str,)) and path is not None and not isinstance(path, (Unreadable, Made)):
            path = str(path)  # a Path
        if not isinstance(path, str) or not path:
            raise _CannotUseError(f"the path of its source at {source.where} cannot be used: {_why(path)}")
        scheme = path.partition("://")[0] if "://" in path else ""
        if scheme and scheme != "file":
            self._no_counterpart(
                view,
                name,
                f"its rows are at {path}, which is not on this machine. Copy the file, and change the path of its "
                f"source ({source.where}).",
            )
            return None
        return SourceDefinition(
            path=path.removeprefix("file://"),
            format=_format(source, path),
            timestamp=_text(source, "timestamp_field", "event_timestamp_column") or None,
            created=_text(source, "created_timestamp_column") or None,
            field_mapping=_texts(source, "field_mapping"),
            where=source.where,
        )

    def _view_entities(self, made: Made) -> tuple[EntityDefinition, ...]:
        given = _argument(made, "entities")
        if given is None:
            return ()
        if not isinstance(given, (list, tuple)):
            raise _CannotUseError(f"entities= cannot be used: {_why(given)}")
        return tuple(self._view_entity(item) for item in given)

    def _view_entity(self, item: object) -> EntityDefinition:
        if isinstance(item, Made) and item.kind == "Entity":
            return self._entity(item)
        if isinstance(item, str):
            if item in self.entities:
                return self.entities[item]
            known = ", ".join(sorted(self.entities)) or "none"
            raise _CannotUseError(f"no entity is named {item!r} (there are: {known})")
        raise _CannotUseError(f"an item of entities= cannot be used: {_why(item)}")

    def _fields(self, made: Made) -> tuple[FieldDefinition, ...]:
        given = made.given("schema", "features")
        if given is None:
            return ()
        if not isinstance(given, (list, tuple)):
            raise _CannotUseError(f"schema= cannot be used: {_why(given)}")
        fields = []
        for item in given:
            if not isinstance(item, Made):
                raise _CannotUseError(f"a field cannot be used: {_why(item)}")
            dtype = _argument(item, "dtype")
            fields.append(
                FieldDefinition(
                    name=_text(item, "name", required=True),
                    type=feature_type(dtype),
                    feast_type=shown(dtype),
                    description=_text(item, "description"),
                )
            )
        names = [field.name for field in fields]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise _CannotUseError(f"it has two fields named {', '.join(map(repr, twice))}")
        return tuple(fields)

    def _service(self, made: Made) -> None:
        name = _text(made, "name", required=True)
        clash = next((service for service in self.definitions.services if service.name == name), None)
        if clash is not None:
            raise _CannotUseError(
                f"another feature service has this name, at {clash.where}: rename one of them"
            )
        given = _argument(made, "features")
        if not isinstance(given, (list, tuple)):
            raise _CannotUseError(f"features= cannot be used: {_why(given)}")
        parts: list[Part] = []
        on_demand: list[str] = []
        for item in given:
            projection = Projection(item) if isinstance(item, Made) else item
            if not isinstance(projection, Projection):
                raise _CannotUseError(f"an item of features= cannot be used: {_why(item)}")
            view = _text(projection.view, "name", required=True)
            if projection.view.kind == "OnDemandFeatureView":
                on_demand.append(view)
            elif projection.view.kind in VIEWS:
                parts.append(Part(view, projection.features, projection.alias, projection.join_key_map))
            else:
                raise _CannotUseError(
                    f"an item of features= is a {projection.view.kind}, which is no feature view"
                )
        self.definitions.services.append(
            ServiceDefinition(
                name=name,
                parts=tuple(parts),
                on_demand=tuple(on_demand),
                description=_text(made, "description"),
                tags=_tags(made),
                where=made.where,
            )
        )


def _argument(made: Made, name: str) -> object:
    """Return an argument by its name or its place; None: it is not given."""
    if name in made.kwargs:
        return made.kwargs[name]
    names = _POSITIONAL.get("FeatureView" if made.kind in VIEWS else made.kind, ())
    index = names.index(name) if name in names else len(made.args)
    return made.args[index] if index < len(made.args) else None


def _text(made: Made, *names: str, required: bool = False) -> str:
    value = next((found for name in names if (found := _argument(made, name)) is not None), None)
    if value is None and not required:
        return ""
    if isinstance(value, str) and (value or not required):
        return value
    raise _CannotUseError(f"{names[0]}= cannot be used: {_why(value)}")


def _flag(made: Made, name: str, *, default: bool) -> bool:
    value = made.given(name)
    if value is None:
        return default
    if isinstance(value, bool):
        return value
    raise _CannotUseError(f"{name}= cannot be used: {_why(value)}")


def _ttl(made: Made) -> timedelta | None:
    """Return the ttl; none and zero mean that rows of any age count."""
    value = _argument(made, "ttl")
    if value is None or value == 0:
        return None
    if not isinstance(value, timedelta):
        raise _CannotUseError(f"ttl= cannot be used: {_why(value)}")
    if value < timedelta(0):
        raise _CannotUseError(f"ttl= is {value}, which is negative: no row would count")
    return value or None


def _texts(made: Made, name: str) -> Mapping[str, str]:
    value = made.given(name)
    if value is None:
        return {}
    if not isinstance(value, dict) or not _is_texts([*value, *value.values()]):
        raise _CannotUseError(f"{name}= of {_what(made)} at {made.where} cannot be used: {_why(value)}")
    return dict(value)


def _tags(made: Made) -> Mapping[str, str]:
    owner = _text(made, "owner")
    return {**_texts(made, "tags"), **({"owner": owner} if owner else {})}


def _format(source: Made, path: str) -> str:
    given = source.given("file_format")
    if isinstance(given, Made):
        format_ = given.kind.removesuffix("Format").lower()
        if format_ not in ("parquet", "delta", "csv"):
            raise _CannotUseError(f"the format {given.kind} of its source at {source.where} is not read here")
        return format_
    return "csv" if path.lower().endswith((".csv", ".csv.gz")) else "parquet"


def _is_foreign(value: object) -> bool:
    return isinstance(value, Symbol) and value.package not in ("feast", "builtins")


def _has_unreadable(value: object) -> bool:
    """Return whether a value, or something that it is made of, cannot be read."""
    seen: set[int] = set()
    stack = [value]
    while stack:
        found = stack.pop()
        if isinstance(found, Unreadable) or _is_foreign(found):
            return True
        if id(found) in seen:
            continue
        seen.add(id(found))
        if isinstance(found, Made):
            stack += [*found.args, *found.kwargs.values()]
        elif isinstance(found, Projection):
            stack.append(found.view)
        elif isinstance(found, dict):
            stack += found.values()
        elif isinstance(found, (list, tuple)):
            stack += found
    return False


def _is_texts(values: object) -> bool:
    return (
        isinstance(values, Sequence)
        and not isinstance(values, str)
        and all(isinstance(value, str) for value in values)
    )


def _what(made: Made) -> str:
    name = _argument(made, "name")
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in made.kind).strip()
    return f"{words} {name!r}" if isinstance(name, str) else words


def _why(value: object) -> str:
    """Return why a value cannot be used."""
    if isinstance(value, Unreadable):
        return f"{value.reason.removeprefix('!')} ({value.where}). Write the value itself there"
    if isinstance(value, Symbol):
        return f"it is {value.path}, of a package that is not read"
    if value is None:
        return "it is not given"
    if isinstance(value, (Made, Projection)):
        kind = value.kind if isinstance(value, Made) else "projection"
        return f"it is a {kind}"
    items = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    for item in items:
        if isinstance(item, Unreadable) or _is_foreign(item):
            return _why(item)
    return f"it is {reprlib.repr(value)}"
