"""What holds for every event: its name, its fields, its examples, its schema and its topic."""

import json
import re
from pathlib import Path
from typing import Any, get_args
from uuid import uuid4

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from pydantic import BaseModel, ValidationError

from contracts.event import EVENT_BYTES_MAX, Event
from contracts.firms import NUMBER_CHARS_MAX
from contracts.gatekeeper import (
    CONTRACTS_MAX,
    ORDERS_MAX,
    Cause,
    Clearance,
    ClearanceAssessment,
    ClearanceChanged,
    ClearanceOrder,
    ClearancePreRegistration,
    ClearanceRosterMember,
)
from contracts.generate import EXAMPLES, example_files, outdated
from contracts.health import QUESTIONS_MAX, Disposition, DispositionChanged, HealthReported
from contracts.invalid import Flaw
from contracts.police import ArrivalShared, PoliceArrivalShared
from contracts.registration import PreRegistrationWithdrawn, StationRegistered
from contracts.registry import EVENTS, EVENTS_BY_OWNER, UnknownEventType, decode, event_class
from contracts.schemas import schema_of
from contracts.sealing import SEALED_CHARS_MAX
from contracts.topics import EVENT_TOPICS, POLICE_TOPICS

EVERY_EVENT = pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS.keys())
EXAMPLE_FILES = [path for event in EVENTS.values() for path in example_files(event)]
EVERY_EXAMPLE = pytest.mark.parametrize("path", EXAMPLE_FILES, ids=[f"{path.parent.name}/{path.stem}" for path in EXAMPLE_FILES])


def subclasses(event: type[Event]) -> set[type[Event]]:
    return {event}.union(*(subclasses(child) for child in event.__subclasses__()))


def parts_of(model: type[BaseModel]) -> set[type[BaseModel]]:
    found: set[type[BaseModel]] = {model}
    waiting: list[Any] = [field.annotation for field in model.model_fields.values()]
    while waiting:
        annotation = waiting.pop()
        waiting.extend(get_args(annotation))
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            found |= parts_of(annotation)
    return found


class TestEveryEvent:
    def test_is_registered(self) -> None:
        concrete = {event for event in subclasses(Event) if event.__module__.startswith("contracts.") and "TYPE" in vars(event)}
        assert concrete == set(EVENTS.values())

    @EVERY_EVENT
    def test_is_named_after_its_owner_and_its_class(self, event: type[Event]) -> None:
        owner = next(owner for owner, events in EVENTS_BY_OWNER.items() if event in events)
        name = event.__name__.removeprefix("Police") if owner == "police" else event.__name__
        kebab = re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()
        assert re.fullmatch(rf"gatehouse\.{owner}\.{kebab}\.v[1-9][0-9]*", event.TYPE)

    @EVERY_EVENT
    def test_says_what_it_means_and_what_each_field_means(self, event: type[Event]) -> None:
        for model in parts_of(event):
            assert "__doc__" in vars(model)
            assert model.__doc__
            assert [] == [name for name, field in model.model_fields.items() if not field.description]

    @EVERY_EVENT
    def test_can_leave_out_every_field_that_may_be_none(self, event: type[Event]) -> None:
        # `encode` leaves out what is None; without a default, what it wrote could not be read.
        for model in parts_of(event):
            assert [] == [
                name
                for name, field in model.model_fields.items()
                if type(None) in get_args(field.annotation) and (field.is_required() or field.default is not None)
            ]

    @EVERY_EVENT
    def test_is_closed_and_frozen_in_all_its_parts(self, event: type[Event]) -> None:
        assert {("forbid", True)} == {(part.model_config.get("extra"), part.model_config.get("frozen")) for part in parts_of(event)}

    @EVERY_EVENT
    def test_says_when_it_happened_in_its_last_field(self, event: type[Event]) -> None:
        assert list(event.model_fields)[-1].endswith("_at")

    @EVERY_EVENT
    def test_has_an_example(self, event: type[Event]) -> None:
        assert example_files(event)

    @EVERY_EVENT
    def test_has_all_its_fields_in_examples(self, event: type[Event]) -> None:
        shown = {name for path in example_files(event) for name in json.loads(path.read_text())}
        assert set(event.model_fields) == shown

    @EVERY_EVENT
    def test_travels_on_a_topic_unless_it_is_sealed_for_the_police(self, event: type[Event]) -> None:
        owner = next(owner for owner, events in EVENTS_BY_OWNER.items() if event in events)
        assert owner in ("police", "police-bridge") or EVENT_TOPICS[owner].carries == owner

    def test_has_files_that_say_what_the_classes_say(self) -> None:
        assert [] == outdated(), "run: python -m contracts.generate"


class TestEveryExample:
    @EVERY_EXAMPLE
    def test_is_read_and_written_without_a_difference(self, path: Path) -> None:
        written = path.read_bytes()
        event = decode(path.parent.name, written)
        assert json.loads(written) == json.loads(event.encode())
        assert event == decode(path.parent.name, event.encode())

    @EVERY_EXAMPLE
    def test_fits_the_schema(self, path: Path) -> None:
        schema = schema_of(event_class(path.parent.name))
        Draft202012Validator.check_schema(schema)
        Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(json.loads(path.read_text()))

    @EVERY_EXAMPLE
    def test_is_read_by_somebody_older(self, path: Path) -> None:
        message = json.loads(path.read_text())
        newer = _with_unknown_fields(message)
        assert decode(path.parent.name, path.read_bytes()) == decode(path.parent.name, json.dumps(newer).encode())
        Draft202012Validator(schema_of(event_class(path.parent.name))).validate(newer)

    @EVERY_EXAMPLE
    def test_cannot_be_made_with_unknown_fields(self, path: Path) -> None:
        with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
            event_class(path.parent.name).model_validate(json.loads(path.read_text()) | {"unknown": 1})

    def test_belongs_to_a_type(self) -> None:
        assert {path.name for path in EXAMPLES.iterdir()} == set(EVENTS)


def _with_unknown_fields(node: Any) -> Any:
    if isinstance(node, list):
        return [_with_unknown_fields(item) for item in node]
    if isinstance(node, dict):
        return {key: _with_unknown_fields(value) for key, value in node.items()} | {"unknown_field": {"of": ["a", "newer", "one"]}}
    return node


class TestDecode:
    def test_refuses_a_type_that_it_does_not_know(self) -> None:
        with pytest.raises(UnknownEventType):
            decode("gatehouse.registration.station-registered.v2", b"{}")

    def test_keeps_what_it_read_out_of_the_error(self) -> None:
        with pytest.raises(ValidationError) as caught:
            decode(PreRegistrationWithdrawn.TYPE, json.dumps({"reason": "测试甲 is a name"}).encode())
        assert "测试甲" not in str(caught.value)


class TestEncode:
    def test_leaves_chinese_as_it_is(self) -> None:
        event = StationRegistered.model_validate(
            {"station_name": "浦东𠮷", "district": "310115", "registered_at": "2020-02-01T08:00:00+08:00"}
        )
        assert event.encode() == ('{"station_name":"浦东𠮷","district":"310115","registered_at":"2020-02-01T00:00:00Z"}'.encode())

    def test_never_exceeds_the_broker_with_the_largest_clearance(self) -> None:
        number, code = "𠮷" * NUMBER_CHARS_MAX, "q" * 64
        fullest = ClearanceChanged.model_validate(
            {
                "person_id": uuid4(),
                "clearance": Clearance(
                    pre_registrations=(
                        ClearancePreRegistration.model_validate(
                            {
                                "pre_registration_id": uuid4(),
                                "contract_no": number,
                                "declaration_version": 10**9,
                                "employer_credit_code": "91999900MA1FL0AA14",
                                "person_kind": "manager",
                                "trade": "1000",
                            }
                        ),
                    )
                    * CONTRACTS_MAX,
                    rostered=(
                        ClearanceRosterMember.model_validate(
                            {
                                "contract_no": number,
                                "employer_credit_code": "91999900MA1FL0AA14",
                                "person_kind": "manager",
                                "trade": "1000",
                                "on_site": False,
                            }
                        ),
                    )
                    * CONTRACTS_MAX,
                    assessed=(
                        ClearanceAssessment(
                            pre_registration_id=uuid4(),
                            contract_no=number,
                            declaration_version=10**9,
                            questions=(code,) * QUESTIONS_MAX,
                        ),
                    )
                    * CONTRACTS_MAX,
                    orders=(ClearanceOrder.model_validate({"order_id": uuid4(), "admissible_on": "2020-02-28"}),) * ORDERS_MAX,
                ),
                "caused_by": Cause(service="s" * 40, event_id=uuid4(), type="t" * 120, shard=63, pos=10**18),
                "changed_at": "2020-02-01T00:00:00.123456Z",
            }
        )
        assert len(fullest.encode()) <= EVENT_BYTES_MAX

    @EVERY_EVENT
    def test_never_exceeds_the_broker_with_sealed_fields(self, event: type[Event]) -> None:
        sealed = json.dumps(schema_of(event)).count('"format": "sealed"')
        assert sealed * SEALED_CHARS_MAX <= EVENT_BYTES_MAX * 3 // 4


class TestHealthReported:
    REPORT = json.loads((EXAMPLES / HealthReported.TYPE / "full.json").read_text())

    @pytest.mark.parametrize(
        ("change", "flaw"),
        [
            ({"reading_celsius": 45.1}, Flaw.TEMPERATURE_RANGE),
            ({"reading_celsius": 37.25}, Flaw.TEMPERATURE_STEP),
            ({"symptoms": []}, Flaw.SYMPTOMS_MISSING),
            ({"symptoms": ["none", "cough"]}, Flaw.SYMPTOM_NONE_EXCLUDES),
            ({"source": "gate", "reading_celsius": 29.9}, Flaw.TEMPERATURE_RANGE),
        ],
    )
    def test_is_refused_when_measured_wrongly(self, change: dict[str, Any], flaw: Flaw) -> None:
        with pytest.raises(ValidationError) as caught:
            HealthReported.model_validate(self.REPORT | change)
        assert [flaw.value] == [error["type"] for error in caught.value.errors()]

    def test_takes_a_declared_temperature_as_it_is(self) -> None:
        change = {"source": "declaration", "symptoms": [], "reading_celsius": 98.65}
        assert HealthReported.model_validate(self.REPORT | change).reading_celsius == 98.65


class TestDispositionChanged:
    BAN = json.loads((EXAMPLES / DispositionChanged.TYPE / "ban.json").read_text())

    @pytest.mark.parametrize("missing", ["isolation_from", "method"])
    @pytest.mark.parametrize("disposition", [item for item in Disposition if item is not Disposition.ADMISSIBLE])
    def test_names_day_and_method_of_every_ban(self, missing: str, disposition: Disposition) -> None:
        incomplete = {key: value for key, value in self.BAN.items() if key != missing} | {"disposition": disposition}
        with pytest.raises(ValidationError) as caught:
            DispositionChanged.model_validate(incomplete)
        assert [Flaw.ISOLATION_INCOMPLETE.value] == [error["type"] for error in caught.value.errors()]


class TestPolice:
    def test_is_told_the_same_that_is_kept_sealed(self) -> None:
        assert set(ArrivalShared.model_fields) == set(PoliceArrivalShared.model_fields)

    def test_is_told_nothing_about_health(self) -> None:
        told = " ".join(name for event in EVENTS_BY_OWNER["police"] for name in event.model_fields)
        assert re.search("temperature|celsius|health|disposition|symptom|isolation", told) is None

    def test_has_a_topic_in_every_district(self) -> None:
        assert len(POLICE_TOPICS) == 16
