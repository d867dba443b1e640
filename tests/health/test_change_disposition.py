"""Human decisions about a person."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chassis.testing.specification import Specification
from contracts.health import Disposition, HealthEvent, IsolationMethod
from contracts.policy import Policies
from health.domain.commands import HealthCommand
from health.domain.dispositions import (
    EvidenceIsMissing,
    IsolationEndsBeforeItBegins,
    IsolationIsIncomplete,
    ReleaseDocumentIsMissing,
)
from health.domain.state import HealthPerson
from health.wiring import person_decider
from tests.health.facts import SEALED, TODAY, dispose, disposed

ADMISSIBLE, QUARANTINE, SUSPECTED, CONFIRMED = Disposition
BANS = pytest.mark.parametrize("ban", [QUARANTINE, SUSPECTED, CONFIRMED])

person: Specification[HealthCommand, HealthPerson, HealthEvent] = Specification(person_decider(Policies))


def decided(disposition: Disposition) -> Specification[HealthCommand, HealthPerson, HealthEvent]:
    """Somebody about whom this was decided."""
    return person.given(disposed(dispose(disposition)))


class TestChangeDisposition:
    @BANS
    def test_bans(self, ban: Disposition) -> None:
        person.when(dispose(ban)).then(disposed(dispose(ban)))

    @BANS
    def test_is_refused_without_the_first_day(self, ban: Disposition) -> None:
        person.when(dispose(ban, isolation_from=None)).then_rejected(IsolationIsIncomplete)

    @BANS
    def test_is_refused_without_the_method(self, ban: Disposition) -> None:
        person.when(dispose(ban, method=None)).then_rejected(IsolationIsIncomplete)

    @BANS
    def test_is_refused_without_what_a_ban_rests_on(self, ban: Disposition) -> None:
        person.when(dispose(ban, evidence=None)).then_rejected(EvidenceIsMissing)

    def test_is_refused_where_the_isolation_ends_before_it_begins(self) -> None:
        command = dispose(QUARANTINE, isolation_until=TODAY - timedelta(days=1))
        person.when(command).then_rejected(IsolationEndsBeforeItBegins)

    def test_takes_an_isolation_of_one_day(self) -> None:
        command = dispose(QUARANTINE, isolation_until=TODAY)
        person.when(command).then(disposed(command))

    def test_does_nothing_where_it_stands_already(self) -> None:
        # Sealed twice, the same words are another envelope.
        again = dispose(QUARANTINE, evidence="g1.1." + "B" * 40)
        decided(QUARANTINE).when(again).then_nothing()

    def test_is_another_one_with_another_content(self) -> None:
        at_home = dispose(QUARANTINE, method=IsolationMethod.HOME)
        decided(QUARANTINE).when(at_home).then(disposed(at_home))

    def test_leads_back_to_admissible_with_a_reason(self) -> None:
        back = dispose(ADMISSIBLE, reason_code="contact_ruled_out")
        decided(QUARANTINE).when(back).then(disposed(back))


class TestRelease:
    @pytest.mark.parametrize(
        ("before", "after"),
        [
            (SUSPECTED, ADMISSIBLE),
            (SUSPECTED, QUARANTINE),
            (CONFIRMED, ADMISSIBLE),
            (CONFIRMED, QUARANTINE),
            (CONFIRMED, SUSPECTED),
        ],
    )
    def test_needs_a_document(self, before: Disposition, after: Disposition) -> None:
        decided(before).when(dispose(after)).then_rejected(ReleaseDocumentIsMissing)
        with_document = dispose(after, release_document=SEALED)
        decided(before).when(with_document).then(disposed(with_document))

    @pytest.mark.parametrize(
        ("before", "after"), [(QUARANTINE, SUSPECTED), (QUARANTINE, CONFIRMED), (SUSPECTED, CONFIRMED), (QUARANTINE, ADMISSIBLE)]
    )
    def test_is_nothing_else(self, before: Disposition, after: Disposition) -> None:
        decided(before).when(dispose(after)).then(disposed(dispose(after)))

    def test_from_a_case_that_was_first_quarantined_still_needs_a_document(self) -> None:
        stream = decided(QUARANTINE).given(disposed(dispose(CONFIRMED)))
        stream.when(dispose(ADMISSIBLE)).then_rejected(ReleaseDocumentIsMissing)
