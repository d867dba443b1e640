"""The portal's pages with stand-ins for everything behind them: no database, no service, no waiting."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import repeat
from typing import Any
from unittest.mock import MagicMock
from uuid import UUID

import httpx2
from fastapi import FastAPI
from starlette.requests import Request

from chassis.clock import SystemClock
from chassis.web import create_app
from contracts.access import Role
from portal.digests import Digests, UserKeys
from portal.operators import SiteGrant
from portal.rendering import Renderer
from portal.session import Session, Sessions
from portal.settings import Settings
from portal.throttle import Throttle
from portal.upstream.calls import READS, Calls, TokenDesk
from portal.users import Supervisor
from portal.wired import Portal
from portal.wiring import PAGES, signing_key
from tests.portal.operated import OPERATED

CONTRACT, PERSON, CHILD, WAITING, WAITING_CHILD = "W2019010100011", UUID(int=7), UUID(int=71), UUID(int=75), UUID(int=76)
SITE = f"/contracts/{CONTRACT}"
EMPLOYER = "91310109MA1A00002C"
NOW, GRANTED_UNTIL = "2020-02-18T07:44:35Z", "2020-02-18T07:44:40Z"

PAGE_BYTES_MAX = 100_000
"""Of HTML: on the line of a site office that is some seconds."""

ETAG, OTHER_ETAG = "0123456789abcdef", "fedcba9876543210"
"""Of what is shown of whoever is expected, or comes along; and of what stands there when somebody has changed it."""

Answer = tuple[int, Any]

REGISTRANT = {"account": "user:7", "role": "employer_registrar", "registered_at": NOW}
PRE_REGISTRATION = {
    "person_id": str(PERSON),
    "state": "open",
    "name": "吴*江",
    "document_type": "citizen_id",
    "document_number": "420***********0153",
    "mobile": "138****0015",
    "person_kind": "worker",
    "trade": "020",
    "employer_credit_code": EMPLOYER,
    "origin_code": "420100",
    "arrival_date": "2020-02-14",
    "declaration_version": 1,
    "waits_for": None,
    "taken_up": True,
    "registered_by": REGISTRANT,
    "changed_at": NOW,
    "etag": ETAG,
}
AWAITED = PRE_REGISTRATION | {
    "person_id": str(WAITING),
    "state": "awaiting",
    "name": "郑*海",
    "document_number": "341***********0171",
    "declaration_version": None,
    "waits_for": "agreeing_name",
    "taken_up": False,
}
FAMILY_MEMBER = {
    "person_id": str(CHILD),
    "state": "open",
    "relation": "子女",
    "name": "吴*宁",
    "document_type": "citizen_id",
    "document_number": "420***********0161",
    "mobile": "138****0015",
    "declaration_version": 1,
    "waits_for": None,
    "registered_by": None,
    "changed_at": NOW,
    "etag": ETAG,
}
FAMILY_AWAITED = FAMILY_MEMBER | {
    "person_id": str(WAITING_CHILD),
    "state": "awaiting",
    "relation": "配偶",
    "name": "郑*兰",
    "document_number": "341***********0188",
    "declaration_version": None,
    "waits_for": "declaration",
}
AWAITING_FORMS = [
    {
        "person_id": str(person),
        "accompanies": accompanies,
        "name": form["name"],
        "document_type": form["document_type"],
        "document_number": form["document_number"],
        "waits_for": form["waits_for"],
        "registered_by": REGISTRANT,
        "changed_at": NOW,
    }
    for person, accompanies, form in ((WAITING, None, AWAITED), (WAITING_CHILD, str(PERSON), FAMILY_AWAITED))
]
SUPPLIES = [
    {"item": "口罩", "unit": "只", "quantity": 2000, "used_per_100_people_daily": 200},
    {"item": "测温枪", "unit": "把", "quantity": 4, "used_per_100_people_daily": None},
]
EPIDEMIC_CONTROL = {
    "version": 2,
    "team": [{"name": "赵一", "duty": "组长", "phone": "13800000021"}, {"name": "钱二", "duty": "消毒", "phone": "021-00000001"}],
    "designated_hospital": "上海市第四人民医院",
    "supplies": SUPPLIES,
    "submitted_at": NOW,
}
NEVER_SUBMITTED = {"version": 0, "team": [], "designated_hospital": None, "supplies": [], "submitted_at": None}
SUPPLY_COUNTS = {
    "head_count": 212,
    "cover": [
        {"item": "口罩", "unit": "只", "quantity": 1900, "days": 4},
        {"item": "测温枪", "unit": "把", "quantity": 4, "days": None},
    ],
    "items": [
        {
            "told": told,
            "counted_at": NOW,
            "supplies": [{"item": "口罩", "unit": "只", "quantity": quantity}, {"item": "测温枪", "unit": "把", "quantity": 4}],
        }
        for told, quantity in (("counted", 1900), ("submitted", 2000))
    ],
    "next": None,
}
CHECKLIST = {"version": 1, "media_type": "application/pdf", "size_bytes": 204_800, "uploaded_at": NOW}
DECLARATION = {
    "person_id": str(PERSON),
    "declaration_version": 3,
    "reported_on": "2020-02-03",
    "report_place": "101 上海浦东国际机场T1",
    "temperature_celsius": 38.0,
    "health_text": "无异常症状",
    "departed_on": "2020-02-03",
    "travel": "火车G13333",
    "from_hubei": False,
    "from_wuhan": False,
    "stopover": False,
    "stopover_place": None,
    "stay_address": "上海市黄浦区五里桥街道测试地址",
    "mobile": "13800000015",
    "contradictions": ["temperature_against_health_text", "report_place_against_travel"],
}
DECLARED: dict[str, Any] = {
    "declaration_version": 1,
    "reported_on": "2020-02-14",
    "departed_on": "2020-02-14",
    "from_hubei": False,
    "from_wuhan": False,
    "stopover": False,
    "stopover_code": None,
    "temperature_celsius": 36.5,
}
NEWER = DECLARED | {"declaration_version": 2, "from_hubei": True, "stopover": True, "stopover_code": "420100"}
DIFFERS: dict[str, Any] = {
    "person_id": str(PERSON),
    "kind": "declaration_differs",
    "declaration_version": 2,
    "pinned_version": 1,
    "codes": ["from_hubei", "stopover", "stopover_code"],
    "pinned": DECLARED,
    "declared": NEWER,
    "latest": NEWER,
    "name": "吴*江",
    "document_type": "citizen_id",
    "document_number": "420***********0153",
    "settled": None,
}
CONTRADICTS = DIFFERS | {
    "kind": "declaration_contradicts",
    "declaration_version": 1,
    "codes": ["temperature_against_health_text"],
    "declared": DECLARED,
    "settled": {"settled_by": "user:7", "settled_at": NOW},
}
REASONS = [
    {"code": "isolation_not_completed", "effect": "forbid", "clears": "end_of_isolation", "earliest": "2020-02-28"},
    {"code": "fever", "effect": "forbid", "clears": "normal_reading"},
]
STALE = {"code": "state_stale", "effect": "forbid", "clears": "fresh_state"}
CONTRACT_ANSWER = {
    "contract_no": CONTRACT,
    "construction_no": "1902HK0001",
    "project_name": "测试4444",
    "general_contractor": {"name": "上海建工集团股份有限公司"},
    "station": {"name": "虹口"},
}


@dataclass
class StandIns:
    """What the services answer, and what they were asked."""

    # Of whichever service is asked there; or, with its name before the path, of this one.
    answers: dict[tuple[str, str], Answer] = field(default_factory=dict)
    then: dict[tuple[str, str], Answer] = field(default_factory=dict)
    """What is answered there from the second time on."""
    asked: list[httpx2.Request] = field(default_factory=list)
    remembered: dict[str, str] = field(default_factory=dict)
    is_away: bool = False
    down: set[str] = field(default_factory=set)
    """Services that are not there."""
    tokens: Iterator[str] = field(default_factory=lambda: repeat("registration/1/7:9"))
    """Consistency tokens of what is done."""

    def __post_init__(self) -> None:
        of_contract, of_person = f"/v1/contracts/{CONTRACT}", f"/v1/people/{PERSON}"
        self.answers |= {
            ("GET", "/v1/contracts"): (200, {"items": [CONTRACT_ANSWER]}),
            ("GET", of_contract): (200, CONTRACT_ANSWER),
            ("GET", f"{of_contract}/employers"): (
                200,
                {"items": [{"credit_code": EMPLOYER, "name": "上海测试劳务有限公司", "sub_contract_no": None}]},
            ),
            ("GET", f"{of_contract}/pre-registrations"): (200, {"items": [PRE_REGISTRATION, AWAITED], "next": None}),
            ("GET", f"{of_contract}/pre-registrations/{PERSON}"): (200, PRE_REGISTRATION),
            ("GET", f"{of_contract}/pre-registrations/{WAITING}"): (200, AWAITED),
            ("GET", f"/v1/people/{WAITING}/isolation-orders"): refusal(404, "not-found", "没有找到"),
            ("GET", f"{of_contract}/awaiting-forms"): (200, {"items": AWAITING_FORMS, "next": None}),
            ("GET", f"{of_contract}/people"): (200, {"items": [here(PERSON)]}),
            ("POST", f"{of_contract}/pre-registrations/{WAITING}/withdrawal"): (204, {}),
            ("POST", f"{of_contract}/pre-registrations"): (201, {"person_id": str(PERSON)}),
            ("POST", "/v1/declaration-lookups"): (200, DECLARATION),
            ("GET", f"{of_contract}/pre-registrations/{PERSON}/family-members"): (200, {"items": [FAMILY_MEMBER, FAMILY_AWAITED]}),
            ("GET", f"{of_contract}/pre-registrations/{PERSON}/family-members/{CHILD}/corrections"): (
                200,
                {"items": [PUT_RIGHT | {"kind": "family-member-withdrawn", "grounds": "不同行"}], "next_before": None},
            ),
            ("POST", f"{of_contract}/pre-registrations/{PERSON}/family-members"): (201, {}),
            **{
                ("POST", f"{of_contract}/pre-registrations/{PERSON}/family-members/{each}/{done}"): (status, {})
                for each in (CHILD, WAITING_CHILD)
                for done, status in (("withdrawal", 204), ("corrections", 201))
            },
            ("GET", f"{of_contract}/epidemic-control"): (200, EPIDEMIC_CONTROL),
            ("PUT", f"{of_contract}/epidemic-control"): (200, {}),
            ("GET", f"{of_contract}/supply-counts"): (200, SUPPLY_COUNTS),
            ("POST", f"{of_contract}/supply-counts"): (201, {}),
            ("GET", f"{of_contract}/resumption-checklists"): (200, {"items": [CHECKLIST]}),
            ("POST", f"{of_contract}/resumption-checklists"): (201, {}),
            ("GET", f"{of_person}/isolation-orders"): (200, {"items": [ORDER]}),
            ("GET", f"{of_person}/assessments"): (200, {"items": [ASSESSMENT], "next_before": None}),
            ("POST", f"{of_contract}/pre-registrations/{PERSON}/corrections"): (201, {}),
            ("GET", f"{of_contract}/pre-registrations/{PERSON}/corrections"): (200, {"items": [PUT_RIGHT], "next_before": None}),
            ("GET", f"{of_person}/health-reports"): (200, {"items": [REPORT], "next_before": None, "holds": ["fever"]}),
            ("POST", f"{of_person}/health-reports"): (201, {"holds": []}),
            ("POST", f"{of_contract}/health-rounds"): (200, {"people": [reported(PERSON)]}),
            ("GET", f"{of_contract}/missing-reports"): (200, {"date": "2020-02-18", "items": [str(PERSON)], "next": None}),
            ("GET", f"{of_person}/dispositions"): (
                200,
                {**BAN, "items": [DISPOSITION], "next_before": None},
            ),
            ("GET", f"{of_contract}/ban-reviews"): (200, DUE_REVIEWS),
            ("POST", f"{of_person}/dispositions/reviews"): (201, BAN),
            ("POST", f"{of_person}/dispositions/objections"): (201, BAN),
            ("GET", f"{of_person}/dispositions/objections"): (
                200,
                {"items": [{"version": 11, "note": "未接触病例", "objected_at": NOW}], "next_before": None},
            ),
            ("GET", f"{of_person}/dispositions/grounds"): (200, {"items": [GROUNDS], "next_before": None}),
            ("GET", f"{of_person}/corrections"): (200, {"items": [CORRECTION], "next_before": None}),
            ("POST", f"{of_person}/dispositions"): (200, {"in_force_at": NOW}),
            ("GET", f"/v1/people/{CHILD}/health-reports"): (200, {"items": [], "next_before": None, "holds": []}),
            ("POST", f"/v1/people/{CHILD}/health-reports"): (201, {"holds": []}),
            ("GET", f"{of_contract}/clearances/{PERSON}"): (
                200,
                {"reasons": REASONS, "earliest": "2020-02-28", "admissible": False, "on_site": False, "as_of": NOW},
            ),
            ("POST", f"{of_contract}/entries"): (200, attempt("refused", REASONS)),
            ("POST", f"{of_contract}/gate-passes"): (200, attempt("refused", REASONS)),
            ("POST", f"{of_contract}/paper-entries"): (201, PAPER_ENTRY),
            ("GET", f"{of_contract}/attempts"): (200, {"items": [REVIEWED], "next": None}),
            ("GET", f"{of_contract}/roster"): (
                200,
                {"registered": 13, "on_site": 2, "banned_on_site": 1, "items": [MEMBER], "next": None},
            ),
            ("POST", f"{of_contract}/pre-registration-imports"): (202, IMPORT),
            ("GET", f"{of_contract}/import-templates/pre-registration"): (200, {}),
            ("GET", f"/v1/imports/{UUID(int=9)}"): (200, IMPORT),
            ("GET", f"/v1/imports/{UUID(int=9)}/rows"): (200, {"items": ROWS, "next": None}),
            ("GET", f"/v1/imports/{UUID(int=9)}/refused-rows"): (200, {}),
            ("GET", f"{of_contract}/review-items"): (200, {"items": [DIFFERS, CONTRADICTS], "next": None}),
            ("GET", f"{of_contract}/review-items/{PERSON}/settlements"): (
                200,
                [{"kind": "declaration_contradicts", "declaration_version": 1, "note": "已电话核实"}],
            ),
            ("POST", f"{of_contract}/review-items/{PERSON}/settlements"): (201, {}),
            ("GET", f"{of_contract}/isolation-ends"): (200, ISOLATION_ENDS),
            ("GET", f"{of_contract}/exits"): (
                200,
                {"items": [{"version": 15, "exited_at": NOW, "recorded_by": "user:6"}], "next_before": None},
            ),
            ("POST", f"{of_contract}/exits"): (200, {"person_id": str(PERSON), "exited_at": NOW}),
            ("GET", f"{of_contract}/operator-grants"): (200, {"items": [GRANTED, GRANTED_REGISTRAR]}),
            ("POST", f"{of_contract}/operator-grants"): (201, {}),
            ("POST", f"{of_contract}/operator-grants/{OPERATOR}/withdrawal"): (204, None),
            ("GET", f"{of_contract}/operator-grants/changes"): (200, {"items": [RIGHTS_ENDED, RIGHTS_BEGUN], "next_before": None}),
            **SUPERVISION,
            **OPERATED,
        }

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        if self.is_away:
            raise httpx2.ConnectError("away")
        if request.url.host in self.down:
            raise httpx2.ConnectError("down")
        path = request.url.path
        status, body = self.answers.get((request.method, f"{request.url.host}{path}")) or self.answers[request.method, path]
        if follows := self.then.pop((request.method, path), None):
            self.answers[request.method, path] = follows
        token = {"Consistency-Token": next(self.tokens)} if request.method == "POST" else {}
        return httpx2.Response(status, json=body, headers=token | {"ETag": f'"{BAN_VERSION}"'})

    def sent(self, method: str, path: str) -> list[httpx2.Request]:
        """What was sent there."""
        return [each for each in self.asked if (each.method, each.url.path) == (method, path)]

    def body_of(self, method: str, path: str) -> Any:
        """What was sent there last."""
        return json.loads(self.sent(method, path)[-1].content)


IMPORT = {
    "import_id": str(UUID(int=9)),
    "kind": "pre-registration",
    "contract_no": CONTRACT,
    "dry_run": True,
    "state": "finished",
    "rows": 5,
    "waiting": 0,
    "applied": 2,
    "unchanged": 1,
    "awaiting": 1,
    "refused": 1,
    "handed_in_at": NOW,
    "finished_at": NOW,
}
OPERATOR = UUID(int=77)
GRANTED = {
    "operator_id": str(OPERATOR),
    "role": "site_operator",
    "employer_credit_code": None,
    "name": "王*五",
    "document_type": "citizen_id",
    "document_number": "310***********0134",
    "mobile": "139****0013",
    "granted_by": "user:3",
    "granted_at": NOW,
}
GRANTED_REGISTRAR = GRANTED | {
    "operator_id": str(UUID(int=78)),
    "role": "employer_registrar",
    "employer_credit_code": EMPLOYER,
    "name": "李*",
}
RIGHTS_BEGUN = {
    "version": 1,
    "operator_id": str(UUID(int=79)),
    "role": "employer_registrar",
    "employer_credit_code": EMPLOYER,
    "name": "赵*四",
    "grounds": None,
    "changed_by": "user:3",
    "changed_at": NOW,
}
RIGHTS_ENDED = RIGHTS_BEGUN | {"version": 2, "role": None, "employer_credit_code": None, "grounds": "已调离本工地"}
ROWS = [
    {"row_no": 2, "outcome": "applied", "code": None, "wrong_columns": []},
    {"row_no": 3, "outcome": "refused", "code": "invalid-request", "wrong_columns": ["身份证号"]},
    {"row_no": 4, "outcome": "awaiting", "code": "declaration-missing", "wrong_columns": []},
]
ISOLATION_ENDS = {
    "date": "2020-02-18",
    "items": [{"person_id": str(PERSON), "contracts": [CONTRACT], "anchor_date": "2020-02-04"}],
    "next": None,
}
ORDER = {
    "reason": "key_area_origin",
    "anchor_date": "2020-02-14",
    "days": 14,
    "admissible_on": "2020-02-28",
    "day": 4,
    "withdrawn": False,
    "policy_version": 1,
    "declaration_version": 1,
    "ordered_at": NOW,
}
ASSESSMENT = {
    "declaration_version": 1,
    "policy_version": 1,
    "order_ids": [str(UUID(int=72))],
    "questions": [],
    "arrived_on": "2020-02-14",
    "assessed_at": NOW,
}
REPORT = {
    "version": 9,
    "reading_celsius": 38.0,
    "method": "axillary",
    "symptoms": ["cough", "myalgia"],
    "source": "registrar",
    "corrected": False,
    "reported_by": "user:7",
    "read_at": NOW,
    "reported_at": NOW,
}
DISPOSITION = {
    "version": 10,
    "disposition": "quarantine_required",
    "isolation_from": "2020-02-18",
    "isolation_until": None,
    "method": "central",
    "reason_code": "contact_of_a_case",
    "has_evidence": True,
    "has_release_document": False,
    "decided_by": ["user:8", "user:9"],
    "changed_at": NOW,
    "in_force_at": NOW,
}
BAN: dict[str, Any] = {"disposition": "quarantine_required", "review_on": "2020-02-25", "objects": True}
BAN_VERSION = 11
DUE_REVIEWS: dict[str, Any] = {
    "date": "2020-02-25",
    "items": [
        {
            "person_id": str(PERSON),
            "contracts": [CONTRACT],
            "disposition": "quarantine_required",
            "banned_at": NOW,
            "review_on": "2020-02-25",
            "objected_at": NOW,
        }
    ],
    "next": None,
}
MEMBER = {
    "person_id": str(PERSON),
    "employer_credit_code": EMPLOYER,
    "person_kind": "worker",
    "trade": "020",
    "on_site": True,
    "entered_at": NOW,
    "left_at": None,
    "disposition": "quarantine_required",
    "banned_since": NOW,
}


PAPER_ENTRY = {"person_id": str(PERSON), "reasons": REASONS, "needs_review": True, "entered_at": NOW}
REVIEWED: dict[str, Any] = {
    "attempt_id": str(UUID(int=70)),
    "person_id": str(PERSON),
    "kind": "entry",
    "outcome": "admitted",
    "decided_by": [str(UUID(int=73)), str(UUID(int=74))],
    "reasons": REASONS,
    "earliest": "2020-02-28",
    "attempted_at": NOW,
    "recorded_at": NOW,
    "recorded_by": "user:5",
    "settled": None,
}
ENTRY = UUID(REVIEWED["attempt_id"])
SETTLED = {"finding": "against_the_rules", "measure": "site_instructed", "settled_by": "hongkou", "settled_at": NOW}

PAGE = {"as_of": NOW, "total": 2, "page": 1, "pages": 1, "page_text": "共1页 显示1到2,共2记录"}
ROW = {
    "number": 1,
    "contract_no": "W2017050130174",
    "construction_no": "16ZJPD0067",
    "project_name": "浦东新区御桥社区02单元",
    "general_contractor": "江苏南通三建集团股份有限公司",
    "general_contractor_kind": "施工企业",
    "station": "浦东",
    "district": "310115",
    "employers": 1,
    "pre_registered": 0,
    "on_site": 0,
    "registered": 987,
    "banned_on_site": 0,
}
SECOND_ROW = ROW | {
    "number": 2,
    "contract_no": CONTRACT,
    "construction_no": "1902HK0001",
    "project_name": "测试4444",
    "general_contractor": "上海建工集团股份有限公司",
    "station": "虹口",
    "pre_registered": 3,
    "on_site": 2,
    "registered": 13,
    "banned_on_site": 1,
}
HEADER = {"contracts": 2, "general_contractors": 2, "employers": 2, "registered": 1000, "on_site": 2, "banned_on_site": 1}
TABLE = {**PAGE, "header": HEADER, "rows": [ROW, SECOND_ROW]}
FIRM = {"credit_code": EMPLOYER, "name": "上海测试劳务有限公司", "contracts": 1}
PEOPLE_ROW = {
    "person_id": str(PERSON),
    "name": "吴*江",
    "document_number": "420***********0153",
    "contract_no": CONTRACT,
    "project_name": "测试4444",
    "employer": "上海测试劳务有限公司",
    "person_kind": "worker",
    "trade": "020",
    "pre_registered_at": NOW,
    "entered_at": NOW,
    "left_at": None,
    "on_site": True,
    "disposition": "quarantine_required",
}
IDENTITY = {"name": "吴远江", "document_type": "citizen_id", "document_number": "420106199007250153", "mobile": "13800000015"}
ACCESS = {
    "at": NOW,
    "service": "reporting",
    "actor": "supervisor:hongkou",
    "purpose": "reveal",
    "reason_code": "on_site_inspection",
    "reference": "HK-2020/18",
    "contract_no": CONTRACT,
}
GROUNDS = {
    **DISPOSITION,
    "evidence": "流调电话通知",
    "release_document": None,
    "reviews": [{"version": 12, "evidence": "核酸阳性", "review_on": "2020-03-01", "reviewed_by": None, "reviewed_at": NOW}],
}
CORRECTION = {
    "version": 13,
    "kind": "report",
    "report_id": "5b0b7b53-7c5b-4c8e-9d57-2a4a4c2b9c11",
    "declaration_version": None,
    "stopover_code": None,
    "order_id": None,
    "reason_code": None,
    "grounds": "把36.8录成38.6",
    "corrected_by": "user:jianli",
    "corrected_at": NOW,
}
PUT_RIGHT = {
    "version": 4,
    "kind": "person-details-corrected",
    "review_item": None,
    "records": [],
    "grounds": "手机号录错",
    "corrected_by": "user:jianli",
    "corrected_at": NOW,
    "changes": [
        {"field": "mobile", "before": "138****0011", "after": "139****0022"},
        {"field": "employer_credit_code", "before": EMPLOYER, "after": "91310109MA1A000006"},
        {"field": "trade", "before": None, "after": "020"},
    ],
}
CHANGE = {
    "at": NOW,
    "service": "health",
    "version": 4,
    "kind": "disposition-changed",
    "account": "user:jianli",
    "role": "supervision_operator",
    "proposed_by": None,
    "contract_no": CONTRACT,
}
TERMS: dict[str, Any] = {
    "authority": "city",
    "district": None,
    "contract_no": None,
    "valid_from": "2020-02-01",
    "valid_until": None,
    "allows_extras": True,
    "fever": {"operator": ">=", "threshold_celsius": 37.3, "method": "axillary", "remeasured_after_min": 5},
    "isolation_days": 14,
    "key_areas": [
        {"code_prefix": "42", "name": "湖北省", "since": "2020-01-01", "until": None},
        {"code_prefix": "3303", "name": "温州市", "since": "2020-02-20", "until": "2020-03-20"},
    ],
    "switches": {"fever": "forbid", "symptoms": "forbid", "no_report_today": "remind", "on_site_elsewhere": "remind"},
}
POLICIES = [
    {"version": 1, "terms": TERMS, "reference": None, "adopted_at": None, "in_force": False},
    {"version": 2, "terms": TERMS, "reference": "沪建防疫〔2020〕7号", "adopted_at": NOW, "in_force": True},
]
DRAFT: dict[str, Any] = {"draft_id": str(UUID(int=11)), "terms": {**TERMS, "isolation_days": 21, "valid_from": "2020-03-01"}}
DRAFTS = "/v1/policies/drafts"
REHEARSAL: dict[str, Any] = {
    "day": "2020-03-01",
    "looked_at": 1000,
    "told_in_part": 2,
    "switched": [{"rule": "no_report_today", "now": "remind", "then": "forbid"}],
    "items": [
        {
            "person_id": str(PERSON),
            "now": {"fever": None, "symptoms": None, "admissible_on": "2020-02-28"},
            "then": {"fever": None, "symptoms": None, "admissible_on": "2020-03-06"},
        }
    ],
    "next": str(UUID(int=12)),
}
SUPERVISION: dict[tuple[str, str], Answer] = {
    ("GET", "/v1/policies"): (200, {"items": POLICIES, "next": None}),
    ("POST", DRAFTS): (201, DRAFT),
    ("GET", f"{DRAFTS}/{UUID(int=11)}"): (200, DRAFT),
    ("POST", f"{DRAFTS}/{UUID(int=11)}/rehearsal"): (200, REHEARSAL),
    ("POST", f"{DRAFTS}/{UUID(int=11)}/activation"): (201, {"version": 3}),
    ("GET", "/v1/policies/proposals"): (
        200,
        {
            "looked_at": 1000,
            "items": [{"person_id": str(PERSON), "ordered": "2020-02-28", "proposed": "2020-03-06"}],
            "next": None,
        },
    ),
    ("GET", "/v1/supervision/stations"): (200, {"stations": ["虹口", "浦东"]}),
    ("POST", "/v1/supervision/person-searches"): (200, {**PAGE, "rows": [PEOPLE_ROW], "total": 1, "is_complete": True}),
    ("POST", "/v1/reveals"): (200, IDENTITY),
    ("GET", f"/v1/people/{PERSON}/access-log"): (200, {"items": [ACCESS], "next_before": None}),
    ("GET", f"/v1/people/{PERSON}/change-log"): (200, {"items": [CHANGE], "next": None}),
    ("POST", "/v1/exports"): (200, {}),
    ("GET", "/v1/supervision/days"): (
        200,
        {
            "as_of": NOW,
            "days": [
                {"day": f"2020-02-{day}", "pre_registered": day % 5, "entered": day % 3, "refused": day % 2, "exited": day % 4}
                for day in range(15, 29)
            ],
        },
    ),
    ("GET", "/v1/supervision/days/2020-02-28"): (
        200,
        {
            **PAGE,
            "total": 1,
            "page_text": "共1页 显示1到1,共1记录",
            "day": "2020-02-28",
            "times": 3,
            "rows": [{"contract_no": CONTRACT, "project_name": SECOND_ROW["project_name"], "times": 3}],
        },
    ),
    ("GET", "/v1/isolation-ends"): (200, ISOLATION_ENDS),
    ("GET", "/v1/missing-reports"): (
        200,
        {"date": "2020-02-18", "items": [{"contract_no": CONTRACT, "followed": 13, "missing": 3}], "next": None},
    ),
    ("GET", f"/v1/missing-reports/{CONTRACT}"): (
        200,
        {"date": "2020-02-18", "items": [str(PERSON), str(CHILD)], "next": None},
    ),
    ("GET", f"/v1/missing-reports/{CONTRACT}/followed"): (
        200,
        {
            "date": "2020-02-18",
            "items": [{"person_id": str(PERSON), "reported": True}, {"person_id": str(CHILD), "reported": False}],
            "followed": 13,
            "missing": 3,
            "next": None,
        },
    ),
    ("GET", "/v1/ban-reviews"): (200, DUE_REVIEWS),
    ("GET", "/v1/awaiting-forms"): (
        200,
        {"total": 2, "items": [{"contract_no": CONTRACT, "people": 1, "family_members": 1}], "next": None},
    ),
    ("GET", f"/v1/awaiting-forms/{CONTRACT}"): (200, {"items": AWAITING_FORMS, "next": None}),
    ("GET", "/v1/review-items"): (200, {"total": 1, "items": [{"contract_no": CONTRACT, "items": 1}], "next": None}),
    ("GET", f"/v1/review-items/{CONTRACT}"): (200, {"items": [DIFFERS], "next": None}),
    ("GET", "/v1/paper-entries"): (200, {"total": 1, "items": [{**REVIEWED, "contract_no": CONTRACT}], "next": None}),
    ("POST", f"/v1/paper-entries/{PERSON}/settlements"): (201, {}),
    ("GET", "/v1/banned-on-site"): (
        200,
        {
            "items": [
                {"person_id": str(PERSON), "contracts": [CONTRACT], "disposition": "quarantine_required", "banned_since": NOW}
            ],
            "next": None,
        },
    ),
    ("GET", "/v1/supervision/contracts"): (200, TABLE),
    ("GET", f"/v1/supervision/contracts/{CONTRACT}"): (200, {**SECOND_ROW, "as_of": NOW, "employed_by": [FIRM]}),
    ("GET", "/v1/supervision/firms"): (200, {**PAGE, "rows": [FIRM, FIRM]}),
    ("GET", "/v1/supervision/people"): (200, {**PAGE, "rows": [PEOPLE_ROW, PEOPLE_ROW]}),
    ("GET", "/v1/supervision/employments"): (200, {**PAGE, "rows": [PEOPLE_ROW, PEOPLE_ROW]}),
}


def here(person_id: UUID, standing: str = "pre_registered") -> dict[str, Any]:
    """Who that is on the contract."""
    told = ("name", "document_type", "document_number")
    return {"person_id": str(person_id), "standing": standing, **{name: PRE_REGISTRATION[name] for name in told}}


def attempt(outcome: str, reasons: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "person_id": str(PERSON),
        "outcome": outcome,
        "reasons": reasons,
        "earliest": "2020-02-28" if reasons else None,
        "attempted_at": NOW,
        "valid_until": GRANTED_UNTIL if outcome == "admitted" else None,
    }


def reported(person_id: UUID, outcome: str = "done", code: str | None = None) -> dict[str, Any]:
    """What became of one of a team."""
    return {"person_id": str(person_id), "outcome": outcome, "code": code}


def refusal(status: int, code: str, title: str, *errors: tuple[str, str], detail: str | None = None) -> Answer:
    """A problem document."""
    told = [{"in": "body", "pointer": pointer, "code": flaw} for pointer, flaw in errors]
    return status, {"code": code, "title": title, "status": status, "detail": detail, "errors": told}


def operator() -> Session:
    return Session(b"", UUID(int=1), None, (SiteGrant(CONTRACT, Role.SITE_OPERATOR),), {})


def registrar() -> Session:
    """Of the employer."""
    return Session(b"", UUID(int=1), None, (SiteGrant(CONTRACT, Role.EMPLOYER_REGISTRAR, EMPLOYER),), {})


def lead() -> Session:
    """Of the contract's project."""
    return Session(b"", UUID(int=1), None, (SiteGrant(CONTRACT, Role.PROJECT_LEAD),), {})


def turnstile() -> Session:
    """The tablet that the operator left at the gate."""
    return replace(operator(), gate_contract_no=CONTRACT)


def supervisor() -> Session:
    return Session(b"", None, Supervisor("city", Role.CITY_SUPERVISOR), (), {})


def of_operations() -> Session:
    return Session(b"", None, Supervisor("ops", Role.OPS), (), {})


def app_of(stand_ins: StandIns, session: Callable[[], Session] = operator) -> FastAPI:
    """The pages, with that session for whoever comes."""
    key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
    settings = Settings(database_dsn="nowhere", signing_key=key, user_key=key)  # type: ignore[arg-type]
    digests = Digests(UserKeys(bytes(32)))
    sessions = Sessions(MagicMock(), digests, MagicMock(), MagicMock())

    async def of(request: Request) -> Session:
        return session()

    async def remember(session: Session, service: str, token: str) -> None:
        stand_ins.remembered[service] = token

    sessions.of, sessions.remember = of, remember  # type: ignore[method-assign]
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(stand_ins.answer))
    portal = Portal(
        settings=settings,
        clock=SystemClock(),
        users=MagicMock(),
        codes=MagicMock(),
        outbox=MagicMock(),
        sessions=sessions,
        guessing=Throttle(1, 1.0),
        calls=Calls(client, {name: f"http://{name}" for name in READS}, TokenDesk(signing_key(bytes(32)), SystemClock())),
        renderer=Renderer(consultation_line="021-00000000"),
    )
    app = create_app(service="portal", title="Portal", routers=PAGES, authenticator=None)
    app.state.portal = portal
    return app


def assert_based_on_what_was_seen(sent: Sequence[httpx2.Request]) -> None:
    """First of what the page was opened with, then, as another command, of what it told had come instead."""
    first, again = sent
    assert (f'"{ETAG}"', f'"{OTHER_ETAG}"') == (first.headers["If-Match"], again.headers["If-Match"])
    assert first.headers["Idempotency-Key"] != again.headers["Idempotency-Key"]
