"""Every service with something in it, and for every endpoint a request that it takes.

A new endpoint gets a line in its service's world; `test_bad_input.py` fails without it.
"""

from __future__ import annotations

import base64
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import httpx2
from structlog.testing import capture_logs

from chassis.auth import Principal
from chassis.ops import Ops
from chassis.service import Service
from chassis.testing.wait import eventually
from contracts.access import Role
from contracts.citizen_id import check_character
from contracts.event import SHARDS, Event
from contracts.gatekeeper import PaperEntryRecorded
from contracts.healthcloud_bridge import DeclarationReceived
from contracts.registration import ContractReported, EmployerAdded, PersonPreRegistered, PinnedDeclaration, RosterMemberImported
from devstack.databases import Database
from gatekeeper.wiring import SERVICE as GATEKEEPER
from health.wiring import SERVICE as HEALTH
from healthcloud_bridge.wiring import SERVICE as HEALTHCLOUD_BRIDGE
from police_bridge.wiring import SERVICE as POLICE_BRIDGE
from portal.accounts import put_client
from portal.wiring import SERVICE as PORTAL
from registration.wiring import SERVICE as REGISTRATION
from reporting.wiring import SERVICE as REPORTING
from tests.chassis.bad_requests import Good
from tests.healthcloud_bridge.upstream import API_KEY, form, simulator
from tests.in_process import Caller, InProcess, in_process
from tests.registration.sheets import CONTRACTS, FORMS, as_csv, reported

OWN, FOREIGN, UNKNOWN = "W2019010100011", "W2017050130174", "W2099010100099"
"""Of the three, the last was never reported, and only the first is granted to anybody."""
STATIONS = {OWN: ("虹口", "310109"), FOREIGN: ("浦东", "310115")}
EMPLOYER = "91310109MA1A00002C"
NAME = "张小三"
TODAY = datetime.now(UTC).date() - timedelta(days=1)
"""Yesterday at the latest, in Shanghai too."""
KEY = base64.b64encode(bytes(range(32))).decode()
EXAMPLES = Path(__file__).parents[2] / "contracts" / "examples"

_people = itertools.count(1)


@dataclass(frozen=True)
class Example:
    """A request that the endpoint takes. The people and contracts in it are there."""

    good: Good
    status: int = 200
    others: Sequence[Any] = ()
    """Other bodies that it would take as well; for endpoints with an idempotency key."""


Examples = Mapping[str, Example]
"""By operationId."""


@dataclass(frozen=True)
class World:
    service: Service[Any]
    prepare: Callable[[InProcess[Any]], Awaitable[Examples]]


@dataclass(frozen=True)
class Place:
    """A service's world, running."""

    running: InProcess[Any]
    examples: Examples
    database: Database
    keys: Database


def principal(role: Role) -> Principal:
    """Somebody with that role to whom only `OWN` is granted."""
    station, district = STATIONS[OWN]
    return Principal(
        subject=f"{role}-account",
        role=role,
        contracts=frozenset({OWN}),
        stations=frozenset({station}),
        districts=frozenset({district}),
        employer_credit_code=EMPLOYER,
    )


@asynccontextmanager
async def place(world: World, database: Database, keys: Database) -> AsyncIterator[Place]:
    """The service in this process, with what `prepare` puts into it."""
    with TemporaryDirectory(prefix="checklists") as folder:
        async with simulator() if world.service is HEALTHCLOUD_BRIDGE else nullcontext() as upstream:
            told = {
                "database_dsn": database.app_dsn,
                "keys_dsn": keys.app_dsn,
                **dict.fromkeys(("key_encryption_key", "index_key", "signing_key", "user_key"), KEY),
                "partitions": 4,
                "healthcloud_url": upstream.url if upstream else "http://127.0.0.1:1",
                "healthcloud_api_key": API_KEY,
                "epidemic_ended_on": "2020-06-17",
                "shows_login_codes": True,
                "checklist_folder": folder,
            }
            async with in_process(world.service, world.service.settings.model_validate(told)) as running:
                examples = {**await world.prepare(running), **await operated(running)}
                yield Place(running, examples, database, keys)


# --- What is in it ----------------------------------------------------------------------------------------------------


def document() -> dict[str, str]:
    """Of somebody whom nobody else has."""
    birthday, order = divmod(next(_people), 999)
    seventeen = f"320623{date(1962, 1, 1) + timedelta(days=birthday):%Y%m%d}{order:03}"
    return {"type": "citizen_id", "number": seventeen + check_character(seventeen)}


def example_of(event: type[Event], **changes: Any) -> Event:
    """The committed example of an event, changed. Its seals open for nobody."""
    text = (EXAMPLES / event.TYPE / "full.json").read_bytes()
    return event.decode(text).model_copy(update=changes)


def operator(running: InProcess[Any]) -> Caller:
    return running.caller(principal(Role.SITE_OPERATOR))


async def done(caller: Caller, path: str, body: Any, *, seen: object = None) -> Any:
    response = await caller.post(path, body, seen=seen)
    assert response.is_success, response.text
    return response


async def known(running: InProcess[Any], path: str, *, role: Role, seen: object) -> None:
    """Return once the service knows what it was told. On a busy machine it may say first that it does not yet."""

    async def is_known() -> bool:
        response = await running.caller(principal(role)).get(path, seen=seen)
        assert response.status_code in (200, 404, 503), response.text
        return response.status_code != 503

    await eventually(is_known)


def contract_body(contract_no: str) -> dict[str, Any]:
    station, district = STATIONS.get(contract_no, STATIONS[OWN])
    return {
        "contract_no": contract_no,
        "construction_no": "1902HK0001",
        "project_name": "测试4444",
        "general_contractor": {"credit_code": "91310000000000029R", "name": "上海建工集团股份有限公司", "kind": "施工企业"},
        "station": {"name": station, "district": district},
    }


def person_body(**more: Any) -> dict[str, Any]:
    usual = {"name": NAME, "person_kind": "worker", "trade": "020", "employer_credit_code": EMPLOYER}
    return {"document": document(), **usual, **more}


def site_information() -> tuple[dict[str, Any], dict[str, Any]]:
    """工地疫情防控信息, and a count of what it lists."""
    control = {
        "team": [{"name": NAME, "duty": "组长", "phone": "021-55550012"}],
        "designated_hospital": "虹口区测试医院",
        "supplies": [{"item": "口罩", "unit": "只", "quantity": 600, "used_per_100_people_daily": 200}],
    }
    return control, {"supplies": [{"item": "口罩", "quantity": 540}]}


async def registration(running: InProcess[Any]) -> Examples:
    system, site = running.caller(principal(Role.CONTRACT_SYSTEM)), operator(running)
    for contract_no in (OWN, FOREIGN):
        await done(system, "/v1/contracts", contract_body(contract_no))
        employer = {"credit_code": EMPLOYER, "name": "上海测试劳务有限公司"}
        await done(system, f"/v1/contracts/{contract_no}/employers", employer)
    origin = {"code": "320600", "text": "江苏省南通市"}
    expected, mistaken, arriving = (person_body(origin=origin, arrival_date=TODAY.isoformat()) for _ in range(3))
    await declared(running, site, arriving["document"])
    seen = await declared(running, site, expected["document"])
    registered = await done(site, f"/v1/contracts/{OWN}/pre-registrations", expected, seen=seen)
    person_id = registered.json()["person_id"]
    seen = await declared(running, site, mistaken["document"])
    registered = await done(site, f"/v1/contracts/{OWN}/pre-registrations", mistaken, seen=seen)
    to_correct = {"contract_no": OWN, "person_id": registered.json()["person_id"]}
    children = [document() for _ in range(2)]
    for each in children:
        seen = await declared(running, site, each)
    child, other_child = ({"document": each, "name": NAME} for each in children)
    family = f"/v1/contracts/{OWN}/pre-registrations/{to_correct['person_id']}/family-members"
    member = await done(site, family, other_child, seen=seen)
    of_family = {**to_correct, "member_id": member.json()["person_id"]}
    further, replaced = ({"document": document(), "reason": "护照换发"} for _ in range(2))
    linked = await done(site, f"/v1/contracts/{OWN}/pre-registrations/{to_correct['person_id']}/documents", replaced)
    of_document = {**to_correct, "other_id": linked.json()["same_as"][0]}
    lead = running.caller(principal(Role.PROJECT_LEAD))
    operating, replaced = (
        {"document": document(), "name": NAME, "mobile": "13800000044", "role": "site_operator"} for _ in range(2)
    )
    granted = await done(lead, f"/v1/contracts/{OWN}/operator-grants", replaced)
    of_operator = {"contract_no": OWN, "operator_id": granted.json()["operator_id"]}
    looked_at = {"kind": "declaration_contradicts", "declaration_version": 1, "note": "已电话核实"}
    correction = {"mobile": "13900000022", "reason": "录入错误"}
    await known(running, f"/v1/contracts/{OWN}/pre-registrations", role=Role.SITE_OPERATOR, seen=seen)
    awaited = person_body(origin=origin)
    await site.post(f"/v1/contracts/{OWN}/pre-registrations", awaited)  # Refused, and kept: he has not declared.
    erased = await done(site, "/v1/person-lookups", {"document": awaited["document"]})
    own, somebody = {"contract_no": OWN}, {"contract_no": OWN, "person_id": person_id}
    on_roster, filled_in = as_csv([_row(person_body(), 在场="是")]), as_csv([_row(person_body(), **ORIGIN_COLUMNS)], FORMS)
    handed_in = await site.upload(f"/v1/contracts/{OWN}/roster-imports", on_roster, "text/csv", dry_run=True)
    while await running.application.state["wired"].imports.step():
        pass
    of_import = {"import_id": handed_in.json()["import_id"]}
    second_employer = {"credit_code": "91320600MA1A000015", "name": "南通测试劳务有限公司", "sub_contract_no": "F1"}
    new = contract_body("W2020010100001")
    elsewhere = contract_body("W2020010100002") | {"station": {"name": "崇明", "district": "310151"}}
    control, counted = site_information()
    submitted = await site.put(f"/v1/contracts/{OWN}/epidemic-control", control, version=0)
    assert submitted.is_success, submitted.text
    checklists = f"/v1/contracts/{OWN}/resumption-checklists"
    uploaded = await site.upload(checklists, b"%PDF-1.4\n%%EOF", "application/pdf", key="checklist")
    assert uploaded.is_success, uploaded.text
    return {
        "submit_epidemic_control": Example(Good(own, body=control)),
        "read_epidemic_control": Example(Good(own)),
        "count_supplies": Example(Good(own, body=counted), 201, [{"supplies": [{"item": "口罩", "quantity": 9}]}]),
        "list_supply_counts": Example(Good(own, query={"limit": "5", "before": "100"})),
        "upload_resumption_checklist": Example(Good(own, file=b"%PDF-1.7\n%%EOF", media_type="application/pdf"), 201, ["another"]),
        "list_resumption_checklists": Example(Good(own)),
        "read_resumption_checklist": Example(Good({**own, "version": "1"})),
        "report_contract": Example(Good(body=new), 201, [{**new, "project_name": "测试5555"}, elsewhere]),
        "add_employer": Example(Good(own, body=second_employer), 201, [{**second_employer, "sub_contract_no": "F2"}]),
        "import_roster": Example(Good(own, {"dry_run": "false"}, file=on_roster, media_type="text/csv"), 202),
        "import_pre_registrations": Example(Good(own, file=filled_in, media_type="text/csv"), 202),
        "import_contracts": Example(Good(file=as_csv([reported("W2020010100003")], CONTRACTS), media_type="text/csv"), 202),
        "read_contract_template": Example(Good()),
        "read_import_template": Example(Good({**own, "kind": "roster"})),
        "read_import": Example(Good(of_import)),
        "list_import_rows": Example(Good(of_import, query={"limit": "5"})),
        "follow_import": Example(Good(of_import)),
        "read_refused_rows": Example(Good(of_import)),
        "pre_register": Example(Good(own, body=arriving), 201, [{**arriving, "trade": "390"}]),
        "correct_pre_registration": Example(Good(to_correct, body=correction), 201, [{**correction, "mobile": "13900000033"}]),
        "pre_register_family_member": Example(Good(to_correct, body=child), 201, [{**child, "relation": "女儿"}]),
        "list_family_members": Example(Good(to_correct)),
        "correct_family_member": Example(Good(of_family, body=correction), 201, [{**correction, "relation": "儿子"}]),
        "withdraw_family_member": Example(Good(of_family, body={"reason": "录入错误"}), 204, [{"reason": "不来沪"}]),
        "link_document": Example(Good(to_correct, body=further), 201, [{**further, "reason": "同一人"}]),
        "list_documents": Example(Good(to_correct)),
        "unlink_document": Example(Good(of_document, body={"reason": "证件号录错"}), 204, [{"reason": "不是同一人"}]),
        "withdraw_pre_registration": Example(Good(somebody, body={"reason": "录入错误"}), 204, [{"reason": "只在虹口施工"}]),
        "list_review_items": Example(Good(own, query={"limit": "5"})),
        "list_supervised_review_items": Example(Good(query={"limit": "5"})),
        "list_review_items_of_supervised": Example(Good(own, query={"limit": "5"})),
        "list_people_here": Example(Good(own, query={"person_id": somebody["person_id"]})),
        "list_awaiting_forms": Example(Good(own, query={"limit": "5"})),
        "list_supervised_awaiting_forms": Example(Good(query={"limit": "5"})),
        "list_awaiting_forms_of_supervised": Example(Good(own, query={"limit": "5"})),
        "list_settlements": Example(Good(to_correct)),
        "settle_review_item": Example(Good(to_correct, body=looked_at), 201, [{**looked_at, "note": "已到场核对"}]),
        "look_up_person": Example(Good(body={"document": document()})),
        "erase_person": Example(Good({"person_id": erased.json()["person_id"]}), 204),
        "grant_operator": Example(Good(own, body=operating), 201, [{**operating, "mobile": "13800000055"}]),
        "list_operators": Example(Good(own)),
        "list_operator_changes": Example(Good(own, query={"limit": "5", "before": "100"})),
        "list_corrections": Example(Good(to_correct, query={"limit": "5", "before": "100"})),
        "list_family_corrections": Example(Good(of_family, query={"limit": "5", "before": "100"})),
        "look_up_operator": Example(Good(body={"document": operating["document"], "mobile": operating["mobile"]})),
        "read_operator_rights": Example(Good({"operator_id": of_operator["operator_id"]}, {"mobile_fingerprint": "e" * 64})),
        "withdraw_operator": Example(Good(of_operator, body={"reason": "已调离"}), 204, [{"reason": "录入错误"}]),
        "list_contracts": Example(Good()),
        "read_contract": Example(Good(own)),
        "list_employers": Example(Good(own)),
        "list_pre_registrations": Example(Good(own, query={"limit": "5"})),
        "read_pre_registration": Example(Good(somebody)),
    }


ORIGIN_COLUMNS = {"出发地代码": "320600", "出发地": "江苏省南通市"}


def _row(person: Mapping[str, Any], **more: str) -> dict[str, str]:
    """The same person as a row of a file."""
    usual = {"证件类型": "居民身份证", "身份证号": person["document"]["number"], "姓名": person["name"], "人员类别": "作业人员"}
    return {**usual, "工种": person["trade"], "用人单位": person["employer_credit_code"], **more}


async def declared(running: InProcess[Any], site: Caller, asked: Mapping[str, str]) -> object:
    """The person declared in Health Cloud. Where that stands."""
    answer = await done(site, "/v1/person-lookups", {"document": asked})
    person_id = UUID(answer.json()["person_id"])
    sealer = await running.parts.sealing.sealer_for([person_id])
    sealed = {field: sealer.seal(person_id, field, "甲") for field in ("report_place", "health_text", "travel", "stay_address")}
    declaration = example_of(
        DeclarationReceived,
        person_id=person_id,
        name_fingerprint=sealer.fingerprint(person_id, NAME),
        mobile=sealer.seal(person_id, "mobile", "13800000011"),
        **sealed,
    )
    return running.told["healthcloud-bridge"].tell(declaration)


async def health(running: InProcess[Any]) -> Examples:
    person_id = UUID(int=1)
    station, of_district = STATIONS[OWN]
    contract = example_of(ContractReported, contract_no=OWN, station_name=station, district=of_district)
    seen = running.told["registration"].tell(contract, stream_id=UUID(int=3))
    await known(running, "/v1/isolation-ends", role=Role.STATION_OFFICER, seen=seen)
    seen = running.told["registration"].tell(
        example_of(
            PersonPreRegistered,
            person_id=person_id,
            contract_no=OWN,
            employer_credit_code=EMPLOYER,
            origin_code="420100",
            declaration=PinnedDeclaration(
                version=1, reported_on=TODAY, from_hubei=False, from_wuhan=False, stopover=True, temperature_celsius=36.5
            ),
        )
    )
    await known(running, f"/v1/people/{person_id}/assessments", role=Role.SITE_OPERATOR, seen=seen)
    somebody = {"person_id": str(person_id)}
    report = {
        "contract_no": OWN,
        "read_at": f"{TODAY}T08:00:00+08:00",
        "reading_celsius": 36.5,
        "method": "axillary",
        "symptoms": ["none"],
    }
    right = {**report, "reason": "录入错误"}
    team = {
        "read_at": report["read_at"],
        "method": "axillary",
        "people": [{**somebody, "reading_celsius": 36.5, "symptoms": ["none"], "read_at": report["read_at"]}],
    }
    ban = {
        "contract_no": OWN,
        "disposition": "quarantine_required",
        "isolation_from": TODAY.isoformat(),
        "isolation_until": (TODAY + timedelta(days=14)).isoformat(),
        "method": "central",
        "reason_code": "contact_of_a_case",
        "evidence": "电话通知",
        "release_document": "甲",
    }
    banned = {**ban, "person_ids": [str(person_id)]}
    proposer = running.caller(Principal("proposer", Role.SITE_OPERATOR, contracts=frozenset({OWN})))
    proposed = {"contract_no": OWN, "person_ids": [str(person_id)], "disposition": "admissible", "reason_code": "recovered"}
    of_batch = {"batch_id": (await done(proposer, "/v1/disposition-batches", proposed)).json()["batch_id"]}
    reported = (await done(proposer, f"/v1/people/{person_id}/health-reports", report)).json()
    of_report = {**somebody, "report_id": reported["report_id"]}
    await done(proposer, f"/v1/people/{person_id}/dispositions", {**ban, "reason_code": "close_contact"})
    review, objection = {"contract_no": OWN, "evidence": "流调报告"}, {"contract_no": OWN, "note": "未接触病例"}
    district = {"authority": "district", "district": STATIONS[OWN][1], "valid_from": "2999-01-01", "valid_until": None}
    area = {"code_prefix": "3303", "name": "温州市", "since": "2020-02-20", "until": "2020-03-20"}
    draft = {"terms": {**district, "allows_extras": False, "isolation_days": 21, "key_areas": [area]}}
    officer = running.caller(principal(Role.DISTRICT_SUPERVISOR))
    of_draft = {"draft_id": (await done(officer, "/v1/policies/drafts", draft)).json()["draft_id"]}
    viewer = running.caller(principal(Role.SITE_OPERATOR))
    [order] = (await viewer.get(f"/v1/people/{person_id}/isolation-orders")).json()["items"]
    answer = {"contract_no": OWN, "stopover_code": "340100", "evidence": "车票"}
    withdrawal = {"contract_no": OWN, "reason_code": "wrong_origin", "evidence": "居住证明"}
    return {
        "list_policies": Example(Good(query={"limit": "5", "after": "1"})),
        "draft_policy": Example(Good(body=draft), 201, [{"terms": {**draft["terms"], "isolation_days": 28}}]),
        "list_proposals": Example(Good(query={"limit": "5"})),
        "read_draft": Example(Good(of_draft)),
        "rehearse_draft": Example(Good(of_draft, query={"limit": "5"})),
        "activate_draft": Example(Good(of_draft, body={"reference": "虹建委〔2020〕9号"}), 201, [{"reference": "甲"}]),
        "list_isolation_ends": Example(Good({"contract_no": OWN}, query={"limit": "5", "date": TODAY.isoformat()})),
        "list_supervised_isolation_ends": Example(Good(query={"limit": "5"})),
        "list_missing_reports": Example(Good({"contract_no": OWN}, query={"limit": "5", "date": TODAY.isoformat()})),
        "list_supervised_missing_reports": Example(Good(query={"limit": "5", "date": TODAY.isoformat()})),
        "list_supervised_missing_people": Example(Good({"contract_no": OWN}, query={"limit": "5", "date": TODAY.isoformat()})),
        "list_followed_people": Example(Good({"contract_no": OWN}, query={"limit": "5", "date": TODAY.isoformat()})),
        "clarify_travel": Example(Good({**somebody, "version": "1"}, body=answer), 201, [{**answer, "stopover_code": "420100"}]),
        "withdraw_isolation_order": Example(
            Good({**somebody, "order_id": order["order_id"]}, body=withdrawal), 204, [{**withdrawal, "reason_code": "other"}]
        ),
        "propose_disposition_batch": Example(Good(body=banned), 201, [{**banned, "method": "home"}]),
        "read_disposition_batch": Example(Good(of_batch)),
        "approve_disposition_batch": Example(Good(of_batch)),
        "report_health_round": Example(Good({"contract_no": OWN}, body=team), 200, [{**team, "method": "forehead"}]),
        "report_health": Example(Good(somebody, body=report), 201, [{**report, "reading_celsius": 36.6}]),
        "correct_health_report": Example(Good(of_report, body=right), 201, [{**right, "reading_celsius": 36.7}]),
        "review_ban": Example(Good(somebody, body=review), 201, [{**review, "evidence": "甲"}]),
        "object_to_ban": Example(Good(somebody, body=objection), 201, [{**objection, "note": "甲"}]),
        "list_ban_reviews": Example(Good({"contract_no": OWN}, query={"limit": "5", "date": TODAY.isoformat()})),
        "list_supervised_ban_reviews": Example(Good(query={"limit": "5"})),
        "change_disposition": Example(Good(somebody, body=ban), 201, [{**ban, "method": "home"}]),
        **{
            name: Example(Good(somebody, query={"limit": "5", "before": "100"}))
            for name in (
                *("list_health_reports", "list_dispositions", "list_objections", "list_grounds"),
                *("list_isolation_orders", "list_assessments", "list_corrections"),
            )
        },
    }


async def gatekeeper(running: InProcess[Any]) -> Examples:
    expected, present = UUID(int=1), UUID(int=2)
    seen = running.told["registration"].tell(
        example_of(PersonPreRegistered, person_id=expected, contract_no=OWN),
        example_of(RosterMemberImported, person_id=present, contract_no=OWN, on_site=True),
    )
    await known(running, f"/v1/contracts/{OWN}/clearances/{expected}", role=Role.SITE_OPERATOR, seen=seen)
    station, district = STATIONS[OWN]
    site = example_of(ContractReported, contract_no=OWN, station_name=station, district=district)
    seen = running.told["registration"].tell(site, stream_id=UUID(int=3))
    await known(running, "/v1/paper-entries", role=Role.STATION_OFFICER, seen=seen)
    own = {"contract_no": OWN}
    one, other = {"person_id": str(present)}, {"document": document()}
    on_paper = {"decided_by": [{"document": document()} for _ in range(2)], "entered_at": datetime.now(UTC).isoformat()}
    operator = running.caller(principal(Role.SITE_OPERATOR))
    recorded = await done(operator, f"/v1/contracts/{OWN}/paper-entries", {**one, **on_paper})
    await known(running, "/v1/paper-entries", role=Role.STATION_OFFICER, seen=recorded.headers["consistency-token"])
    settled = {"attempt_id": recorded.json()["attempt_id"], "finding": "emergency", "measure": "none"}
    return {
        "register_entry": Example(Good(own, body=other), 200, [one]),
        "pass_gate": Example(Good(own, body=other), 200, [one]),
        "register_exit": Example(Good(own, body=one), 200, [other]),
        "record_paper_entry": Example(Good(own, body={**other, **on_paper}), 201, [{**one, **on_paper}]),
        "read_clearance": Example(Good({**own, "person_id": str(expected)}, query={"kind": "entry"})),
        "list_attempts": Example(Good(own, query={"limit": "5"})),
        "list_exits": Example(Good(own, query={"limit": "5", "person_id": str(present)})),
        "list_banned_on_site": Example(Good(query={"limit": "5"})),
        "list_supervised_paper_entries": Example(Good(query={"limit": "5"})),
        "settle_paper_entry": Example(
            Good({"person_id": str(present)}, body=settled), 201, [{**settled, "measure": "site_instructed"}]
        ),
        "list_roster": Example(Good(own, query={"limit": "5"})),
    }


async def healthcloud_bridge(running: InProcess[Any]) -> Examples:
    asked = document()
    async with httpx2.AsyncClient(base_url=running.parts.settings.healthcloud_url, trust_env=False) as client:
        (await client.post("/declarations", json=form(asked["number"]))).raise_for_status()
    return {"look_up_declaration": Example(Good(body={"document": asked, "name": NAME, "purpose": "family"}))}


async def police_bridge(running: InProcess[Any]) -> Examples:
    return {
        "read_arrivals": Example(Good(query={"limit": "5"})),
        "give_receipts": Example(Good(body={"message_ids": [str(UUID(int=1))]})),
        "reconcile_day": Example(Good({"date": "2020-02-18"})),
    }


async def reporting(running: InProcess[Any]) -> Examples:
    facts: list[Event] = []
    for contract_no, (station, district) in STATIONS.items():
        contract = {"contract_no": contract_no, "station_name": station, "district": district}
        facts += [example_of(ContractReported, **contract), example_of(EmployerAdded, contract_no=contract_no)]
    seen = running.told["registration"].tell(*facts, stream_id=UUID(int=1))
    await known(running, "/v1/supervision/contracts", role=Role.STATION_OFFICER, seen=seen)
    present = UUID(int=2)
    seen = running.told["gatekeeper"].tell(example_of(PaperEntryRecorded, person_id=present, contract_no=OWN))
    await known(running, "/v1/supervision/contracts", role=Role.STATION_OFFICER, seen=seen)
    reveal = {"person_id": str(present), "contract_no": OWN, "reason": "complaint", "reference": "2020-117"}
    return {
        "list_stations": Example(Good()),
        "list_days": Example(Good()),
        "list_contracts_of_day": Example(Good({"day": "2020-02-19"}, query={"counted": "entered", "page": "1"})),
        "list_firms": Example(Good(query={"kind": "employer"})),
        "list_people": Example(Good(query={"set": "on_site"})),
        "list_employments": Example(Good(query={"on_site": "true", "employer": EMPLOYER})),
        "search_people": Example(Good(body={"document": document()})),
        "reveal_person": Example(Good(body=reveal)),
        "export_table": Example(Good(body={"table": "contracts"})),
        "list_accesses": Example(Good({"person_id": str(present)}, query={"limit": "5", "before": "1000000"})),
        "list_changes": Example(Good({"person_id": str(present)}, query={"limit": "5"})),
        "list_supervised_contracts": Example(Good(query={"page": "1", "station": "%E8%99%B9%E5%8F%A3"})),
        "read_supervised_contract": Example(Good({"contract_no": OWN})),
    }


async def portal(running: InProcess[Any]) -> Examples:
    secret = "an invented secret"
    await put_client(running.parts.pool, principal(Role.STATION_OFFICER), secret=secret)
    credentials = {"client_id": principal(Role.STATION_OFFICER).subject, "client_secret": secret}
    return {"create_token": Example(Good(body=credentials)), "read_keys": Example(Good())}


async def operated(running: InProcess[Any]) -> Examples:
    """What every service that follows others is asked by operators: of somebody's events two people's cannot be read."""
    if not running.told:
        return {}
    source, told = next(iter(running.told.items()))
    fact = DeclarationReceived if source == "healthcloud-bridge" else PersonPreRegistered
    to_retry, to_discard = UUID(int=1_001), UUID(int=1_002)
    ops: Ops = running.app.state.ops

    waits = {(each.name, person_id) for each in ops.subscribers if fact in each.subscribes for person_id in (to_retry, to_discard)}

    async def are_parked() -> Sequence[Any]:
        found = await ops.parked_streams()
        return found if waits == {(row["subscriber"], row["stream_id"]) for row in found} else ()

    with capture_logs():  # Tracebacks would be drawn in colour, for a second each.
        for person_id in (to_retry, to_discard):
            told.tell_nonsense(example_of(fact, person_id=person_id))
        row = next(row for row in await eventually(are_parked, within_s=30) if row["stream_id"] == to_discard)
    place = f"{row['subscriber']}/{source}/{row['shard']}:{row['pos']}"
    examples = {
        "read_status": Example(Good()),
        "retry_parked": Example(Good(body={"stream_id": str(to_retry)})),
        "discard_parked": Example(Good(body={"event": place, "reason": "伪造的记录"}), 204),
    }
    return examples | ({"read_ages": Example(Good(body={"positions": [[0] * SHARDS]}))} if running.parts.store else {})


WORLDS = [
    World(REGISTRATION, registration),
    World(HEALTH, health),
    World(GATEKEEPER, gatekeeper),
    World(HEALTHCLOUD_BRIDGE, healthcloud_bridge),
    World(POLICE_BRIDGE, police_bridge),
    World(REPORTING, reporting),
    World(PORTAL, portal),
]
