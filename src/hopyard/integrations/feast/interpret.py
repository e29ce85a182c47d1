"""What the objects of a Feast repository mean, in the forms that they had from Feast 0.10 on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hopyard.integrations.feast.arguments import (
    VIEWS,
    CannotUseError,
    argument,
    flag,
    format_of,
    has_unreadable,
    is_texts,
    tags_of,
    text,
    texts,
    ttl_of,
    what,
    why,
)
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


def interpret(found: Found, registered: Sequence[Made] = ()) -> Definitions:
    """Return the feature views and services among what was read.

    Args:
        registered: the objects of Feast's registry. They stand in where the files cannot be read, and only there: a
            registry may have what the files no longer define.
    """
    interpreter = _Interpreter(found)
    definitions = interpreter.definitions
    if definitions.unreadable or not (definitions.views or definitions.absent or definitions.problems):
        interpreter.fill_in(registered)
    return definitions


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
                self.definitions.notes.append(Finding(what(made), made.where, message))
        objects = [made for _, made in found.objects]
        self.entities: dict[str, EntityDefinition] = {}
        self.absent_views: dict[str, Finding] = {}
        self.told: set[str] = set()
        """Views that have no counterpart: the registry knows no better."""
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

    def fill_in(self, registered: Sequence[Made]) -> None:
        """Take the registry's word for what the files did not tell."""
        known = {view.name for view in self.definitions.views} | self.told
        services = {service.name for service in self.definitions.services}
        for made in registered:
            name = str(made.kwargs["name"])
            if made.kind == "Entity" and name not in self.entities:
                self._checked(made, self._register_entity)
            elif made.kind in VIEWS and name not in known:
                self.absent_views.pop(name, None)
                self._checked(made, self._view)
                self._tell_source(made)
            elif made.kind == "FeatureService" and name not in services:
                self._checked(made, self._service)
                self._tell_source(made)

    def _tell_source(self, made: Made) -> None:
        message = "it was read from the registry, since no file tells it: check that it is still in use"
        self.definitions.notes.append(Finding(what(made), made.where, message))

    def _checked(self, made: Made, use: Callable[[Made], None]) -> None:
        """Use an object; what cannot be used is a problem, or not readable if that is why."""
        try:
            use(made)
        except CannotUseError as error:
            finding = Finding(what(made), made.where, str(error))
            if not has_unreadable(made):
                self.definitions.problems.append(finding)
                return
            self.definitions.unreadable.append(finding)
            name = argument(made, "name")
            if made.kind in VIEWS and isinstance(name, str):
                self.absent_views[name] = finding

    def _other(self, made: Made) -> None:
        message = _ABSENT.get(made.kind)
        if message is not None:
            self.definitions.absent.append(Finding(what(made), made.where, message))
        elif made.kind.endswith(_REGISTERED):
            self.definitions.absent.append(
                Finding(
                    what(made), made.where, f"feast.{made.kind} is not known to this import; it is left out."
                )
            )

    def _register_entity(self, made: Made) -> None:
        entity = self._entity(made)
        known = self.entities.get(entity.name)
        if known is not None and known.join_keys != entity.join_keys:
            raise CannotUseError(
                f"another entity has this name, with other join keys, at {known.where}: rename one of them"
            )
        self.entities[entity.name] = entity

    def _entity(self, made: Made) -> EntityDefinition:
        name = text(made, "name", required=True)
        keys = made.given("join_keys")
        if keys is not None and not is_texts(keys):
            raise CannotUseError(f"join_keys cannot be used: {why(keys)}")
        join_keys = tuple(str(key) for key in keys) if isinstance(keys, (list, tuple)) else ()
        return EntityDefinition(
            name=name,
            join_keys=join_keys or (text(made, "join_key") or name,),
            type=feature_type(argument(made, "value_type")),
            description=text(made, "description"),
            where=made.where,
        )

    def _view(self, made: Made) -> None:
        name = text(made, "name", required=True)
        clash = next((view for view in self.definitions.views if view.name == name), None)
        if clash is not None or name in self.absent_views:
            other = clash.where if clash is not None else self.absent_views[name].where
            raise CannotUseError(f"another feature view has this name, at {other}: rename one of them")
        source = self._file_source(made, name)
        if source is None:
            return
        self.definitions.views.append(
            ViewDefinition(
                name=name,
                entities=self._view_entities(made),
                fields=self._fields(made),
                source=source,
                ttl=ttl_of(made),
                online=flag(made, "online", default=True),
                description=text(made, "description"),
                tags=tags_of(made),
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
            raise CannotUseError(f"its source cannot be read: {why(source)}")
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
        self.told.add(name)
        self.definitions.absent.append(finding)

    def _source(self, source: Made, name: str, view: Made) -> SourceDefinition | None:
        path = source.given("path", "file_url")
        if not isinstance(path, (str,)) and path is not None and not isinstance(path, (Unreadable, Made)):
            path = str(path)  # a Path
        if not isinstance(path, str) or not path:
            raise CannotUseError(f"the path of its source at {source.where} cannot be used: {why(path)}")
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
            format=format_of(source, path),
            timestamp=text(source, "timestamp_field", "event_timestamp_column") or None,
            created=text(source, "created_timestamp_column") or None,
            field_mapping=texts(source, "field_mapping"),
            where=source.where,
        )

    def _view_entities(self, made: Made) -> tuple[EntityDefinition, ...]:
        given = argument(made, "entities")
        if given is None:
            return ()
        if not isinstance(given, (list, tuple)):
            raise CannotUseError(f"entities= cannot be used: {why(given)}")
        return tuple(self._view_entity(item) for item in given)

    def _view_entity(self, item: object) -> EntityDefinition:
        if isinstance(item, Made) and item.kind == "Entity":
            return self._entity(item)
        if isinstance(item, str):
            if item in self.entities:
                return self.entities[item]
            known = ", ".join(sorted(self.entities)) or "none"
            raise CannotUseError(f"no entity is named {item!r} (there are: {known})")
        raise CannotUseError(f"an item of entities= cannot be used: {why(item)}")

    def _fields(self, made: Made) -> tuple[FieldDefinition, ...]:
        given = made.given("schema", "features")
        if given is None:
            return ()
        if not isinstance(given, (list, tuple)):
            raise CannotUseError(f"schema= cannot be used: {why(given)}")
        fields = []
        for item in given:
            if not isinstance(item, Made):
                raise CannotUseError(f"a field cannot be used: {why(item)}")
            dtype = argument(item, "dtype")
            fields.append(
                FieldDefinition(
                    name=text(item, "name", required=True),
                    type=feature_type(dtype),
                    feast_type=shown(dtype),
                    description=text(item, "description"),
                )
            )
        names = [field.name for field in fields]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise CannotUseError(f"it has two fields named {', '.join(map(repr, twice))}")
        return tuple(fields)

    def _service(self, made: Made) -> None:
        name = text(made, "name", required=True)
        clash = next((service for service in self.definitions.services if service.name == name), None)
        if clash is not None:
            raise CannotUseError(
                f"another feature service has this name, at {clash.where}: rename one of them"
            )
        given = argument(made, "features")
        if not isinstance(given, (list, tuple)):
            raise CannotUseError(f"features= cannot be used: {why(given)}")
        parts: list[Part] = []
        on_demand: list[str] = []
        for item in given:
            projection = Projection(item) if isinstance(item, Made) else item
            if not isinstance(projection, Projection):
                raise CannotUseError(f"an item of features= cannot be used: {why(item)}")
            view = text(projection.view, "name", required=True)
            if projection.view.kind == "OnDemandFeatureView":
                on_demand.append(view)
            elif projection.view.kind in VIEWS:
                parts.append(Part(view, projection.features, projection.alias, projection.join_key_map))
            else:
                raise CannotUseError(
                    f"an item of features= is a {projection.view.kind}, which is no feature view"
                )
        self.definitions.services.append(
            ServiceDefinition(
                name=name,
                parts=tuple(parts),
                on_demand=tuple(on_demand),
                description=text(made, "description"),
                tags=tags_of(made),
                where=made.where,
            )
        )
