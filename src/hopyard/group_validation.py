"""What a feature group expects of its rows: the part of `FeatureGroup` about validation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from hopyard.compute.convert import to_dataframe
from hopyard.ingest.expect import with_expectations
from hopyard.ingest.judge import validate
from hopyard.ingest.quarantine import clear_quarantine, read_quarantine
from hopyard.ingest.reports import list_reports
from hopyard.model.expectations import Expectation, Policy
from hopyard.model.specs import FeatureGroupSpec
from hopyard.model.validation import ValidationReport
from hopyard.session import Session


class GroupValidation:
    """Expectations, reports, and the rows that were kept apart. The group itself is of the class that has this part."""

    _session: Session
    _spec: FeatureGroupSpec

    if TYPE_CHECKING:

        def _stored(self) -> FeatureGroupSpec: ...

    @property
    def expectations(self) -> list[Expectation]:
        """What is expected of the rows; see `hopyard.expectations`."""
        return list(self._spec.expectations)

    @property
    def expectation_policy(self) -> Policy:
        """What becomes of a write whose rows fail: `strict` refuses it, `always` writes it with a warning."""
        return self._spec.expectation_policy

    def expect(self, *expectations: object, policy: Policy | None = None) -> Self:
        """Add expectations, and return the group. From now on every insert is checked; what is stored, by `validate`.

        Args:
            expectations: made by `hopyard.expectations`; also schemas of Pandera, and suites of Great Expectations.
            policy: `strict` or `always`; None: as it is, `strict` at first.
        Raises:
            NotFoundError: a column that the group does not have (the message lists those that it has), or a group.
            ConfigError: no expectation, an empty range, a regular expression that does not compile.
            SchemaMismatchError, QueryError: a column of the wrong type, a value that it can never equal, SQL that
                cannot be run.
        """
        self._spec = with_expectations(self._session, self._spec, expectations, policy, keep=True)
        return self

    def set_expectations(self, expectations: object, *, policy: Policy | None = None) -> Self:
        """Replace all expectations, and return the group. An empty list: nothing is expected any more.

        Args, Raises: see `expect`.
        """
        self._spec = with_expectations(self._session, self._spec, expectations, policy, keep=False)
        return self

    def validate(self, features: object | None = None, *, save_report: bool = False) -> ValidationReport:
        """Return how rows meet the expectations, whatever the policy. Nothing is written.

        Args:
            features: a dataframe, judged as if it were inserted now; None: the rows of the group.
            save_report: keep the report among `validation_reports()`.
        Raises:
            SchemaMismatchError: columns or values that do not fit the group at all.
            QueryError: an expectation that can no longer be checked, such as a foreign key to a deleted group.
        """
        return validate(self._session, self._stored(), features, keep=save_report)

    def validation_reports(self, limit: int | None = None) -> list[ValidationReport]:
        """Return the reports of inserts, also of refused ones, and others that were kept: newest first, the last 1000.

        An insert into a group that expects nothing makes none.
        """
        return list_reports(self._session, self._stored(), limit)

    def quarantined(self, *, dataframe_type: str = "default") -> Any:
        """Return the rows that `insert(..., quarantine=True)` kept apart, oldest first, as a dataframe.

        Returns:
            The group's features, then `_reason`, `_quarantined_at` and `_report` (the id of the validation report).
        """
        return to_dataframe(read_quarantine(self._session, self._stored()), dataframe_type)

    def clear_quarantine(self) -> None:
        """Remove the rows that were kept apart, for example after they were corrected and inserted."""
        clear_quarantine(self._session, self._stored())
