"""Pages read of an answer only what the service promises."""

from __future__ import annotations

import typing

import pytest
from pydantic import BaseModel

import contracts.site_information
import gatekeeper.command_api
import gatekeeper.query_api
import health.command_api
import health.grounds_api
import health.lists_api
import health.many_people
import health.query_api
import health.round_api
import healthcloud_bridge.command_api
import registration.checklist_api
import registration.command_api
import registration.family_api
import registration.grounds_api
import registration.query_api
import registration.review_api
import registration.site_api
import reporting.access_api
import reporting.query_api
from portal.upstream import ban_reviews as bans
from portal.upstream import gatekeeper as gate
from portal.upstream import health as healths
from portal.upstream import healthcloud
from portal.upstream import open_work as work
from portal.upstream import registration as people
from portal.upstream import reporting as tables
from portal.upstream import review_items as reviews
from portal.upstream import site_information as precautions

ANSWERS: list[tuple[type[BaseModel], type[BaseModel]]] = [
    (people.Contract, registration.query_api.ContractAnswer),
    (people.Employer, registration.query_api.EmployerAnswer),
    (people.PreRegistration, registration.query_api.PreRegistrationAnswer),
    (people.PreRegistrationPage, registration.query_api.PreRegistrationsAnswer),
    (people.PreRegistered, registration.command_api.PreRegistrationReceipt),
    (people.FamilyMember, registration.family_api.FamilyMemberAnswer),
    (people.Family, registration.family_api.FamilyAnswer),
    (reviews.ReviewItem, registration.review_api.ReviewItemAnswer),
    (reviews.ReviewItems, registration.review_api.ReviewItemsAnswer),
    (reviews.Declared, registration.review_api.DeclaredAnswer),
    (reviews.Settlement, registration.review_api.SettlementAnswer),
    (reviews.FoundOut, registration.review_api.FoundOutAnswer),
    (precautions.EpidemicControl, registration.site_api.EpidemicControlAnswer),
    (precautions.TeamMember, registration.site_api.TeamMemberAnswer),
    (precautions.Supply, contracts.site_information.Supply),
    (precautions.SupplyCounts, registration.site_api.SupplyCountsAnswer),
    (precautions.SupplyCount, registration.site_api.SupplyCountAnswer),
    (precautions.Cover, registration.site_api.CoverAnswer),
    (precautions.Counted, contracts.site_information.CountedSupply),
    (precautions.Checklist, registration.checklist_api.ChecklistAnswer),
    (precautions.Checklists, registration.checklist_api.ChecklistsAnswer),
    (healthcloud.Declaration, healthcloud_bridge.command_api.DeclarationAnswer),
    (healths.HealthReport, health.query_api.HealthReportItem),
    (healths.HealthReports, health.query_api.HealthReportPage),
    (healths.Disposition, health.query_api.DispositionItem),
    (healths.Dispositions, health.query_api.DispositionPage),
    (healths.Decided, health.command_api.DispositionAnswer),
    (healths.Reported, health.command_api.HealthReportAnswer),
    (healths.Round, health.round_api.HealthRoundAnswer),
    (healths.RoundOutcome, health.many_people.PersonAnswer),
    (healths.IsolationOrder, health.query_api.IsolationOrderItem),
    (healths.Assessment, health.query_api.AssessmentItem),
    (healths.MissingReports, health.lists_api.MissingReportsAnswer),
    (healths.FollowedPeople, health.lists_api.FollowedPeopleAnswer),
    (healths.Followed, health.lists_api.FollowedPersonItem),
    (healths.MissingByContract, health.lists_api.MissingByContractAnswer),
    (healths.MissingOnContract, health.lists_api.MissingOnContractItem),
    (bans.Ban, health.query_api.DispositionPage),
    (bans.Look, health.grounds_api.ReviewItem),
    (bans.Grounds, health.grounds_api.GroundsItem),
    (bans.Objection, health.grounds_api.ObjectionItem),
    (people.Correction, health.grounds_api.CorrectionItem),
    (people.Correction, registration.grounds_api.CorrectionItem),
    (bans.DueReview, health.lists_api.DueReviewItem),
    (bans.DueReviews, health.lists_api.DueReviewsAnswer),
    (gate.Clearance, gatekeeper.query_api.ClearanceAnswer),
    (gate.Attempt, gatekeeper.command_api.AttemptAnswer),
    (gate.PaperEntry, gatekeeper.command_api.PaperEntryAnswer),
    (gate.RecordedAttempt, gatekeeper.query_api.RecordedAttemptAnswer),
    (gate.Attempts, gatekeeper.query_api.AttemptsAnswer),
    (gate.Settlement, gatekeeper.query_api.SettlementAnswer),
    (work.PaperEntry, gatekeeper.query_api.SupervisedPaperEntryItem),
    (work.PaperEntries, gatekeeper.query_api.SupervisedPaperEntriesAnswer),
    (gate.Exit, gatekeeper.command_api.ExitAnswer),
    (gate.RosterMember, gatekeeper.query_api.RosterMemberAnswer),
    (gate.Roster, gatekeeper.query_api.RosterAnswer),
    (tables.Access, reporting.access_api.AccessItem),
    (tables.AccessLog, reporting.access_api.AccessLogAnswer),
    (tables.Change, reporting.access_api.ChangeItem),
    (tables.ChangeLog, reporting.access_api.ChangeLogAnswer),
    (tables.Header, reporting.query_api.HeaderAnswer),
    (tables.Row, reporting.query_api.RowAnswer),
    (tables.Table, reporting.query_api.SupervisionAnswer),
    (tables.SupervisedContract, reporting.query_api.SupervisedContractAnswer),
    (tables.FirmRow, reporting.query_api.FirmAnswer),
    (tables.Firms, reporting.query_api.FirmsAnswer),
    (tables.PersonRow, reporting.query_api.PersonAnswer),
    (tables.People, reporting.query_api.PeopleAnswer),
]


def may_be_none(annotation: object) -> bool:
    return type(None) in typing.get_args(annotation)


NOT_TOLD: dict[type[BaseModel], set[str]] = {health.grounds_api.CorrectionItem: {"changes"}}
"""What one of two services that answer alike leaves out."""


@pytest.mark.parametrize(("read", "promised"), ANSWERS, ids=lambda model: model.__name__)
def test_every_field_that_is_read_is_promised(read: type[BaseModel], promised: type[BaseModel]) -> None:
    for name, field in read.model_fields.items():
        if name in NOT_TOLD.get(promised, ()):
            assert not field.is_required()
            continue
        assert name in promised.model_fields
        assert may_be_none(field.annotation) or not may_be_none(promised.model_fields[name].annotation), name
