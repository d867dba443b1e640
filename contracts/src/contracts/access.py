"""Who may do what, and where. One table, pure functions; every service asks here.

Two questions stand apart: where `may(role, action)` says no, the answer is 403; where `covers(role, grants, site)` says
no, it is 404, so that nobody learns which contracts of others exist.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from contracts.policy import Authority


class Role(StrEnum):
    """Everybody who holds a token."""

    PROJECT_LEAD = "project_lead"  # 施工总包项目负责人
    SITE_OPERATOR = "site_operator"  # 施工总包现场操作用户
    EMPLOYER_REGISTRAR = "employer_registrar"  # 授权的用工单位登记管理人员
    SUPERVISION_LEAD = "supervision_lead"  # 监理项目负责人
    SUPERVISION_OPERATOR = "supervision_operator"  # 监理现场操作用户
    GATE_DEVICE = "gate_device"  # a turnstile
    STATION_OFFICER = "station_officer"  # 监督站的监督管理人员
    DISTRICT_SUPERVISOR = "district_supervisor"  # 区级监督管理人员
    CITY_SUPERVISOR = "city_supervisor"  # 市住建委
    CONTRACT_SYSTEM = "contract_system"  # 合同报送系统
    POLICE_SUBSCRIBER = "police_subscriber"  # 公安
    OPS = "ops"  # operations; sees no personal data
    PORTAL = "portal"  # where people sign in, on nobody's behalf


class Action(StrEnum):
    """What may be allowed or not."""

    REPORT_CONTRACT = "report_contract"  # contracts, their employers, stations
    VIEW_SITE = "view_site"  # lists and details of one contract, personal data masked
    GRANT_OPERATOR = "grant_operator"  # who may act on one's contract: grant, withdraw, see
    VIEW_OPERATOR_CHANGES = "view_operator_changes"  # who was let act on a contract, who may no more, and why
    LOOK_UP_OPERATOR = "look_up_operator"  # what was granted to whoever signs in
    SUBMIT_SITE_INFORMATION = "submit_site_information"  # 工地疫情防控信息: team, hospital, supplies, checklists
    IMPORT_ROSTER = "import_roster"
    FOLLOW_IMPORT = "follow_import"  # of files that one may hand in
    LOOK_UP_DECLARATION = "look_up_declaration"  # 获取健康云信息
    LOOK_UP_PERSON = "look_up_person"  # document to person_id
    PRE_REGISTER = "pre_register"
    WITHDRAW_PRE_REGISTRATION = "withdraw_pre_registration"
    LINK_DOCUMENT = "link_document"  # say that a further document is the same person's
    UNLINK_DOCUMENT = "unlink_document"  # say that it is not, which may end a ban: not the site by itself
    SETTLE_REVIEW_ITEM = "settle_review_item"  # say that one has looked at what is odd
    REPORT_HEALTH = "report_health"
    REPORT_HEALTH_ROUND = "report_health_round"  # of a whole team at once
    SET_DISPOSITION = "set_disposition"  # also to look at a ban again
    VIEW_GROUNDS = "view_grounds"  # on what bans rest, in words, what the banned say, and why something was put right
    NOTE_OBJECTION = "note_objection"  # of somebody who is banned
    VIEW_POLICIES = "view_policies"  # the values of the rules
    DECIDE_POLICY = "decide_policy"  # policy officers: draft, rehearse and adopt the values of the rules
    CORRECT_JUDGEMENT = "correct_judgement"  # answers to questions, withdrawal of isolation orders, corrected readings
    ADMIT = "admit"  # 进场登记, 退场登记
    SETTLE_PAPER_ENTRY = "settle_paper_entry"  # say what came of one against the rules: not the site that let him in
    PASS_GATE = "pass_gate"  # noqa: S105 - not a password
    VIEW_CLEARANCE = "view_clearance"  # what the gate would say, without asking it to open
    QUERY_SUPERVISION = "query_supervision"
    REVEAL_PERSON = "reveal_person"  # see somebody unmasked, with a reason, recorded
    VIEW_ACCESS_LOG = "view_access_log"  # a person's own record of who saw him
    ERASE_PERSON = "erase_person"  # after the epidemic, for ever
    RECEIVE_ARRIVALS = "receive_arrivals"
    OPERATE = "operate"  # how a service runs, and what is parked there: nobody's data


_SITE = frozenset({Role.PROJECT_LEAD, Role.SITE_OPERATOR})
_REGISTRARS = _SITE | {Role.EMPLOYER_REGISTRAR}
_SITE_SUPERVISION = frozenset({Role.SUPERVISION_LEAD, Role.SUPERVISION_OPERATOR})
_AUTHORITIES = frozenset({Role.STATION_OFFICER, Role.DISTRICT_SUPERVISOR, Role.CITY_SUPERVISOR})

ALLOWED: Mapping[Action, frozenset[Role]] = MappingProxyType(
    {
        Action.REPORT_CONTRACT: frozenset({Role.CONTRACT_SYSTEM}),
        Action.VIEW_SITE: _REGISTRARS | _SITE_SUPERVISION,
        Action.GRANT_OPERATOR: frozenset({Role.PROJECT_LEAD}),
        Action.VIEW_OPERATOR_CHANGES: _AUTHORITIES | {Role.PROJECT_LEAD},
        Action.LOOK_UP_OPERATOR: frozenset({Role.PORTAL}),
        Action.SUBMIT_SITE_INFORMATION: _SITE,
        Action.IMPORT_ROSTER: _SITE,
        Action.FOLLOW_IMPORT: _REGISTRARS | {Role.CONTRACT_SYSTEM},
        Action.LOOK_UP_DECLARATION: _REGISTRARS,
        Action.LOOK_UP_PERSON: _REGISTRARS | _SITE_SUPERVISION,
        Action.PRE_REGISTER: _REGISTRARS,
        Action.WITHDRAW_PRE_REGISTRATION: _REGISTRARS,
        Action.LINK_DOCUMENT: _SITE | _SITE_SUPERVISION,
        Action.UNLINK_DOCUMENT: _SITE_SUPERVISION,
        Action.SETTLE_REVIEW_ITEM: _SITE | _SITE_SUPERVISION,
        Action.REPORT_HEALTH: _REGISTRARS | _SITE_SUPERVISION | {Role.GATE_DEVICE},
        Action.REPORT_HEALTH_ROUND: _REGISTRARS | _SITE_SUPERVISION,
        Action.SET_DISPOSITION: _SITE | _SITE_SUPERVISION,
        Action.VIEW_GROUNDS: _SITE | _SITE_SUPERVISION | _AUTHORITIES,
        Action.NOTE_OBJECTION: _REGISTRARS | _SITE_SUPERVISION,
        Action.VIEW_POLICIES: _REGISTRARS | _SITE_SUPERVISION | _AUTHORITIES | {Role.OPS},
        Action.DECIDE_POLICY: frozenset({Role.DISTRICT_SUPERVISOR, Role.CITY_SUPERVISOR}),
        Action.CORRECT_JUDGEMENT: _SITE | _SITE_SUPERVISION,
        Action.ADMIT: _SITE,
        Action.SETTLE_PAPER_ENTRY: _AUTHORITIES,
        Action.PASS_GATE: frozenset({Role.GATE_DEVICE}),
        Action.VIEW_CLEARANCE: _SITE | _SITE_SUPERVISION,
        Action.QUERY_SUPERVISION: _AUTHORITIES,
        Action.REVEAL_PERSON: _AUTHORITIES,
        Action.VIEW_ACCESS_LOG: _AUTHORITIES,
        Action.ERASE_PERSON: frozenset({Role.CITY_SUPERVISOR}),
        Action.RECEIVE_ARRIVALS: frozenset({Role.POLICE_SUBSCRIBER}),
        Action.OPERATE: frozenset({Role.OPS}),
    }
)
"""The table. What is not in it is not allowed."""


def may(role: Role, action: Action) -> bool:
    """Whether the role allows the action anywhere at all."""
    return role in ALLOWED[action]


class Scope(StrEnum):
    """By what a role's reach is drawn."""

    CONTRACTS = "contracts"  # those granted to the account
    STATIONS = "stations"  # the contracts of the stations granted
    DISTRICTS = "districts"  # the contracts in the districts granted
    ALL = "all"
    NOTHING = "nothing"  # no contract and nobody's data


SCOPES: Mapping[Role, Scope] = MappingProxyType(
    {
        Role.PROJECT_LEAD: Scope.CONTRACTS,
        Role.SITE_OPERATOR: Scope.CONTRACTS,
        Role.EMPLOYER_REGISTRAR: Scope.CONTRACTS,
        Role.SUPERVISION_LEAD: Scope.CONTRACTS,
        Role.SUPERVISION_OPERATOR: Scope.CONTRACTS,
        Role.GATE_DEVICE: Scope.CONTRACTS,
        Role.STATION_OFFICER: Scope.STATIONS,
        Role.DISTRICT_SUPERVISOR: Scope.DISTRICTS,
        Role.CITY_SUPERVISOR: Scope.ALL,
        Role.CONTRACT_SYSTEM: Scope.ALL,
        Role.POLICE_SUBSCRIBER: Scope.DISTRICTS,
        Role.OPS: Scope.NOTHING,
        Role.PORTAL: Scope.NOTHING,
    }
)


@dataclass(frozen=True, slots=True)
class Grants:
    """What an account was given. Only the part that its role's scope names counts."""

    contracts: frozenset[str] = frozenset()
    stations: frozenset[str] = frozenset()
    districts: frozenset[str] = frozenset()
    employer: str | None = None
    """Credit code of the firm whose people an `employer_registrar` may see."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where a contract hangs. None where it is not known: then nobody reaches it by station or district."""

    contract_no: str
    station_name: str | None = None
    district: str | None = None


def covers(role: Role, grants: Grants, site: Site) -> bool:
    """Whether the site lies within the account's reach."""
    match SCOPES[role]:
        case Scope.CONTRACTS:
            return site.contract_no in grants.contracts
        case Scope.STATIONS:
            return site.station_name in grants.stations
        case Scope.DISTRICTS:
            return site.district in grants.districts
        case Scope.ALL:
            return True
        case Scope.NOTHING:
            return False


@dataclass(frozen=True, slots=True)
class Reach:
    """All sites within an account's reach, for whoever asks for them at once. None: no bound of that kind."""

    stations: Sequence[str] | None
    districts: Sequence[str] | None

    @property
    def bounds(self) -> tuple[Sequence[str] | None, Sequence[str] | None]:
        """For a query that takes both."""
        return self.stations, self.districts


EVERYWHERE = Reach(stations=None, districts=None)


def reach_of(role: Role, grants: Grants) -> Reach:
    """What an authority supervises, of those whom `covers` lets see a site. Nobody else asks for all sites at once."""
    match SCOPES[role]:
        case Scope.STATIONS:
            return Reach(stations=sorted(grants.stations), districts=None)
        case Scope.DISTRICTS:
            return Reach(stations=None, districts=sorted(grants.districts))
        case Scope.ALL:
            return EVERYWHERE
        case Scope.CONTRACTS | Scope.NOTHING:
            return Reach(stations=[], districts=[])


def covers_employer(role: Role, grants: Grants, credit_code: str) -> bool:
    """Whether the account may see and register this firm's people, on a site that it covers."""
    return role is not Role.EMPLOYER_REGISTRAR or grants.employer == credit_code


def decides_for(role: Role, grants: Grants, authority: Authority, district: str | None) -> bool:
    """Whether a policy officer decides for this authority: each for the own one, a district for its sites, too."""
    if authority is Authority.CITY:
        return role is Role.CITY_SUPERVISOR
    return role is Role.DISTRICT_SUPERVISOR and district in grants.districts
