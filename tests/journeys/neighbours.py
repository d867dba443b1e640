"""What lies beside the caller's: another employer's people on his contract; contracts of his firm, his station, of neither.

For each service, what names a thing of that contract in a request: its number, its person, his isolation order, …
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from contracts.access import Role, Site
from contracts.event import Event
from contracts.firms import Firm
from contracts.gatekeeper import PaperEntryRecorded
from contracts.registration import ContractReported, EmployerAdded, PersonPreRegistered, PinnedDeclaration, RosterMemberImported
from tests.in_process import Caller, InProcess
from tests.journeys.worlds import (
    EMPLOYER,
    FOREIGN,
    OWN,
    TODAY,
    contract_body,
    declared,
    done,
    example_of,
    known,
    person_body,
    principal,
)
from tests.registration.sheets import as_csv


class Relation(StrEnum):
    """Of a contract, and of who is on it, to the caller's."""

    OWN = "own"
    OWN_OF_ANOTHER_EMPLOYER = "own, another employer's people"
    SAME_FIRM = "same firm"
    SAME_STATION = "same station"
    OTHER = "other"


SITES: Mapping[Relation, Site] = {
    Relation.OWN: Site(OWN, "虹口", "310109"),
    Relation.OWN_OF_ANOTHER_EMPLOYER: Site(OWN, "虹口", "310109"),
    Relation.SAME_FIRM: Site(FOREIGN, "浦东", "310115"),
    Relation.SAME_STATION: Site("W2019010100012", "虹口", "310109"),
    Relation.OTHER: Site("W2018010100013", "奉贤", "310120"),
}
EMPLOYERS: Mapping[Relation, str] = dict.fromkeys(Relation, EMPLOYER) | {Relation.OWN_OF_ANOTHER_EMPLOYER: "91320600MA1A000015"}
"""Whose people they are."""
OTHER_FIRM = {"credit_code": "91320600000000017M", "name": "江苏南通三建集团股份有限公司", "kind": "施工企业"}

Names = Mapping[str, str]
"""What stands for a thing of the contract in paths and bodies, by the name of the parameter."""


async def neighbours_of(service: str, running: InProcess[Any]) -> Mapping[Relation, Names]:
    """Put people of all relations into the service's world. Answers what names them."""
    prepare = _PREPARE.get(service)
    made = await prepare(running) if prepare else {relation: {} for relation in Relation}
    return {relation: {**_of(SITES[relation]), **names} for relation, names in made.items()}


def _of(site: Site) -> Names:
    return {"contract_no": site.contract_no, "district": str(site.district)}


def on(running: InProcess[Any], relation: Relation, role: Role = Role.SITE_OPERATOR) -> Caller:
    """Somebody to whom that contract is granted."""
    site = SITES[relation]
    granted = replace(
        principal(role),
        subject=f"{role}-{relation.name}",
        contracts=frozenset({site.contract_no}),
        districts=frozenset({str(site.district)}),
    )
    return running.caller(granted)


async def _registration(running: InProcess[Any]) -> Mapping[Relation, Names]:
    system = running.caller(principal(Role.CONTRACT_SYSTEM))
    for relation in (Relation.SAME_STATION, Relation.OTHER):
        site = SITES[relation]
        station = {"name": site.station_name, "district": site.district}
        contract = contract_body(site.contract_no) | {"general_contractor": OTHER_FIRM, "station": station}
        await done(system, "/v1/contracts", contract)
        employer = {"credit_code": EMPLOYER, "name": "上海测试劳务有限公司"}
        await done(system, f"/v1/contracts/{site.contract_no}/employers", employer)
    another = {"credit_code": EMPLOYERS[Relation.OWN_OF_ANOTHER_EMPLOYER], "name": "南通测试劳务有限公司"}
    await done(system, f"/v1/contracts/{OWN}/employers", another)
    return {relation: await _registered(running, relation) for relation in Relation}


async def _registered(running: InProcess[Any], relation: Relation) -> Names:
    """Somebody pre-registered on the contract, a form that waits there, and a file handed in for it."""
    site, contract = on(running, relation), f"/v1/contracts/{SITES[relation].contract_no}"
    origin = {"code": "320600", "text": "江苏省南通市"}
    form = person_body(origin=origin, arrival_date=TODAY.isoformat(), employer_credit_code=EMPLOYERS[relation])
    seen = await declared(running, site, form["document"])
    person_id = (await done(site, f"{contract}/pre-registrations", form, seen=seen)).json()["person_id"]
    waiting = await site.post(f"{contract}/pre-registrations", {**form, "document": person_body()["document"]})
    await site.get(f"{contract}/pre-registrations", seen=waiting.headers["consistency-token"])
    row = {"证件类型": "居民身份证", "身份证号": person_body()["document"]["number"], "姓名": "甲", "人员类别": "作业人员"}
    content = as_csv([row | {"工种": "020", "用人单位": EMPLOYER, "在场": "是"}])
    handed_in = await site.upload(f"{contract}/roster-imports", content, "text/csv", dry_run=True)
    while await running.application.state["wired"].imports.step():
        pass
    return {"person_id": person_id, "import_id": handed_in.json()["import_id"]}


async def _health(running: InProcess[Any]) -> Mapping[Relation, Names]:
    pinned = PinnedDeclaration(version=1, reported_on=TODAY, from_hubei=False, from_wuhan=False, stopover=True)
    of_before = {"origin_code": "420100", "declaration": pinned}
    released = {"disposition": "admissible", "reason_code": "recovered"}
    contracts = [
        example_of(ContractReported, contract_no=site.contract_no, station_name=site.station_name, district=site.district)
        for site in SITES.values()
    ]
    seen = running.told["registration"].tell(*contracts, stream_id=UUID(int=3))
    await known(running, "/v1/isolation-ends", role=Role.STATION_OFFICER, seen=seen)
    found: dict[Relation, Names] = {}
    for relation, site in SITES.items():
        person_id = uuid4()
        where = {"contract_no": site.contract_no, "district": site.district, "employer_credit_code": EMPLOYERS[relation]}
        told = example_of(PersonPreRegistered, person_id=person_id, **where, **of_before)
        seen = running.told["registration"].tell(told)
        caller, person = on(running, relation), f"/v1/people/{person_id}"
        await caller.get(f"{person}/assessments", seen=seen)
        [order] = (await caller.get(f"{person}/isolation-orders")).json()["items"]
        reading = {
            "contract_no": site.contract_no,
            "read_at": f"{TODAY}T00:00:00+08:00",
            "reading_celsius": 36.5,
            "symptoms": ["none"],
        }
        proposed = {**released, "contract_no": site.contract_no, "person_ids": [str(person_id)]}
        found[relation] = {
            "person_id": str(person_id),
            "order_id": order["order_id"],
            "report_id": (await done(caller, f"{person}/health-reports", reading)).json()["report_id"],
            "draft_id": await _drafted(running, relation),
            "batch_id": (await done(caller, "/v1/disposition-batches", proposed)).json()["batch_id"],
        }
    return found


async def _drafted(running: InProcess[Any], relation: Relation) -> str:
    """A draft of a policy for the contract's district."""
    terms = {"authority": "district", "district": SITES[relation].district, "valid_from": "2999-01-01", "valid_until": None}
    draft = {"terms": {**terms, "allows_extras": False, "isolation_days": 21}}
    officer = on(running, relation, Role.DISTRICT_SUPERVISOR)
    return str((await done(officer, "/v1/policies/drafts", draft)).json()["draft_id"])


async def _gatekeeper(running: InProcess[Any]) -> Mapping[Relation, Names]:
    found = {relation: {"person_id": str(uuid4())} for relation in Relation}
    contracts = [
        example_of(ContractReported, contract_no=site.contract_no, station_name=site.station_name, district=site.district)
        for site in SITES.values()
    ]
    seen = running.told["registration"].tell(*contracts, stream_id=UUID(int=3))
    await known(running, "/v1/paper-entries", role=Role.STATION_OFFICER, seen=seen)
    told: list[Event] = []
    for relation, names in found.items():
        somebody = {"person_id": UUID(names["person_id"]), "contract_no": SITES[relation].contract_no}
        told += [example_of(PersonPreRegistered, **somebody), example_of(RosterMemberImported, **somebody, on_site=True)]
    seen = running.told["registration"].tell(*told)
    await known(running, f"/v1/contracts/{OWN}/roster", role=Role.SITE_OPERATOR, seen=seen)
    return {
        relation: {**names, "attempt_id": await _let_in_on_paper(running, relation, names)} for relation, names in found.items()
    }


async def _let_in_on_paper(running: InProcess[Any], relation: Relation, names: Names) -> str:
    """Against the rules: the gate cannot prove yet that it knew everything."""
    two = [{"person_id": str(uuid4())} for _ in range(2)]
    body = {"person_id": names["person_id"], "decided_by": two, "entered_at": datetime.now(UTC).isoformat()}
    path = f"/v1/contracts/{SITES[relation].contract_no}/paper-entries"
    recorded = await done(on(running, relation), path, body)
    await known(running, "/v1/paper-entries", role=Role.STATION_OFFICER, seen=recorded.headers["consistency-token"])
    return str(recorded.json()["attempt_id"])


async def _reporting(running: InProcess[Any]) -> Mapping[Relation, Names]:
    found = {relation: {"person_id": str(uuid4())} for relation in Relation}
    reported: list[Event] = []
    for relation, site in SITES.items():
        contract: dict[str, Any] = {"contract_no": site.contract_no, "station_name": site.station_name, "district": site.district}
        if relation in (Relation.SAME_STATION, Relation.OTHER):
            contract["general_contractor"] = Firm.model_validate(OTHER_FIRM)
        reported += [example_of(ContractReported, **contract), example_of(EmployerAdded, contract_no=site.contract_no)]
    seen = running.told["registration"].tell(*reported, stream_id=UUID(int=3))
    await known(running, "/v1/supervision/contracts", role=Role.STATION_OFFICER, seen=seen)
    entered = [
        example_of(PaperEntryRecorded, person_id=UUID(names["person_id"]), contract_no=SITES[relation].contract_no)
        for relation, names in found.items()
    ]
    seen = running.told["gatekeeper"].tell(*entered)
    await known(running, "/v1/supervision/contracts", role=Role.STATION_OFFICER, seen=seen)
    return found


_PREPARE: Mapping[str, Callable[[InProcess[Any]], Awaitable[Mapping[Relation, Names]]]] = {
    "registration": _registration,
    "health": _health,
    "gatekeeper": _gatekeeper,
    "reporting": _reporting,
}
