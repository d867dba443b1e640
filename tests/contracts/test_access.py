"""Who may do what, and where."""

import pytest

from contracts.access import ALLOWED, SCOPES, Action, Grants, Role, Scope, Site, covers, covers_employer, decides_for, may, reach_of
from contracts.policy import Authority

TABLE = """
                          project_lead site_operator employer_registrar supervision_lead supervision_operator gate_device
view_site                 yes          yes           yes                yes              yes                  -
grant_operator            yes          -             -                  -                -                    -
view_operator_changes     yes          -             -                  -                -                    -
look_up_operator          -            -             -                  -                -                    -
submit_site_information   yes          yes           -                  -                -                    -
import_roster             yes          yes           -                  -                -                    -
follow_import             yes          yes           yes                -                -                    -
look_up_declaration       yes          yes           yes                -                -                    -
look_up_person            yes          yes           yes                yes              yes                  -
pre_register              yes          yes           yes                -                -                    -
withdraw_pre_registration yes          yes           yes                -                -                    -
settle_review_item        yes          yes           -                  yes              yes                  -
link_document             yes          yes           -                  yes              yes                  -
unlink_document           -            -             -                  yes              yes                  -
report_health             yes          yes           yes                yes              yes                  yes
report_health_round       yes          yes           yes                yes              yes                  -
set_disposition           yes          yes           -                  yes              yes                  -
view_grounds              yes          yes           -                  yes              yes                  -
note_objection            yes          yes           yes                yes              yes                  -
view_policies             yes          yes           yes                yes              yes                  -
decide_policy             -            -             -                  -                -                    -
correct_judgement         yes          yes           -                  yes              yes                  -
admit                     yes          yes           -                  -                -                    -
settle_paper_entry        -            -             -                  -                -                    -
pass_gate                 -            -             -                  -                -                    yes
view_clearance            yes          yes           -                  yes              yes                  -
report_contract           -            -             -                  -                -                    -
query_supervision         -            -             -                  -                -                    -
reveal_person             -            -             -                  -                -                    -
view_access_log           -            -             -                  -                -                    -
erase_person              -            -             -                  -                -                    -
receive_arrivals          -            -             -                  -                -                    -
operate                   -            -             -                  -                -                    -

                          station_officer district_supervisor city_supervisor contract_system police_subscriber ops portal
view_site                 -               -                   -               -               -                 -   -
grant_operator            -               -                   -               -               -                 -   -
view_operator_changes     yes             yes                 yes             -               -                 -   -
look_up_operator          -               -                   -               -               -                 -   yes
submit_site_information   -               -                   -               -               -                 -   -
import_roster             -               -                   -               -               -                 -   -
follow_import             -               -                   -               yes             -                 -   -
look_up_declaration       -               -                   -               -               -                 -   -
look_up_person            -               -                   -               -               -                 -   -
pre_register              -               -                   -               -               -                 -   -
withdraw_pre_registration -               -                   -               -               -                 -   -
settle_review_item        -               -                   -               -               -                 -   -
link_document             -               -                   -               -               -                 -   -
unlink_document           -               -                   -               -               -                 -   -
report_health             -               -                   -               -               -                 -   -
report_health_round       -               -                   -               -               -                 -   -
set_disposition           -               -                   -               -               -                 -   -
view_grounds              yes             yes                 yes             -               -                 -   -
note_objection            -               -                   -               -               -                 -   -
view_policies             yes             yes                 yes             -               -                 yes -
decide_policy             -               yes                 yes             -               -                 -   -
correct_judgement         -               -                   -               -               -                 -   -
admit                     -               -                   -               -               -                 -   -
settle_paper_entry        yes             yes                 yes             -               -                 -   -
pass_gate                 -               -                   -               -               -                 -   -
view_clearance            -               -                   -               -               -                 -   -
report_contract           -               -                   -               yes             -                 -   -
query_supervision         yes             yes                 yes             -               -                 -   -
reveal_person             yes             yes                 yes             -               -                 -   -
view_access_log           yes             yes                 yes             -               -                 -   -
erase_person              -               -                   yes             -               -                 -   -
receive_arrivals          -               -                   -               -               yes               -   -
operate                   -               -                   -               -               -                 yes -
"""


def expected() -> dict[tuple[str, str], bool]:
    cells: dict[tuple[str, str], bool] = {}
    for half in TABLE.strip("\n").split("\n\n"):
        header, *lines = half.splitlines()
        for line in lines:
            action, *answers = line.split()
            cells |= {(role, action): answer == "yes" for role, answer in zip(header.split(), answers, strict=True)}
    return cells


class TestMay:
    def test_answers_as_the_table_says(self) -> None:
        assert expected() == {(role.value, action.value): may(role, action) for role in Role for action in Action}

    def test_knows_every_action(self) -> None:
        assert set(ALLOWED) == set(Action)


SITE = Site(contract_no="W2019010100011", station_name="虹口", district="310109")
RIGHT = Grants(
    contracts=frozenset({"W2019010100011"}),
    stations=frozenset({"虹口"}),
    districts=frozenset({"310109"}),
    employer="91999900MA1FL0BB2X",
)
WRONG = Grants(contracts=frozenset({"W2017050130174"}), stations=frozenset({"浦东"}), districts=frozenset({"310115"}))


class TestCovers:
    def test_knows_every_role(self) -> None:
        assert set(SCOPES) == set(Role)

    @pytest.mark.parametrize("role", Role)
    def test_reaches_what_was_granted_and_nothing_else(self, role: Role) -> None:
        scope = SCOPES[role]
        assert covers(role, RIGHT, SITE) is (scope is not Scope.NOTHING)
        assert covers(role, WRONG, SITE) is (scope is Scope.ALL)
        assert covers(role, Grants(), SITE) is (scope is Scope.ALL)

    @pytest.mark.parametrize("role", [Role.STATION_OFFICER, Role.DISTRICT_SUPERVISOR, Role.POLICE_SUBSCRIBER])
    def test_does_not_reach_a_site_of_unknown_place(self, role: Role) -> None:
        assert not covers(role, RIGHT, Site(contract_no=SITE.contract_no))

    @pytest.mark.parametrize("role", [Role.PROJECT_LEAD, Role.GATE_DEVICE])
    def test_counts_only_the_part_that_the_scope_names(self, role: Role) -> None:
        assert not covers(role, Grants(stations=RIGHT.stations, districts=RIGHT.districts), SITE)


class TestReachOf:
    @pytest.mark.parametrize("role", Role)
    @pytest.mark.parametrize("grants", [RIGHT, WRONG, Grants()])
    def test_holds_the_sites_that_an_authority_covers_and_no_other_s(self, role: Role, grants: Grants) -> None:
        reach = reach_of(role, grants)
        bounds = ((reach.stations, SITE.station_name), (reach.districts, SITE.district))
        is_within = all(wanted is None or name in wanted for wanted, name in bounds)
        is_authority = SCOPES[role] in (Scope.STATIONS, Scope.DISTRICTS, Scope.ALL)
        assert is_within is (is_authority and covers(role, grants, SITE))


class TestCoversEmployer:
    def test_binds_a_registrar_to_his_own_firm(self) -> None:
        assert covers_employer(Role.EMPLOYER_REGISTRAR, RIGHT, "91999900MA1FL0BB2X")
        assert not covers_employer(Role.EMPLOYER_REGISTRAR, RIGHT, "91999900MA1FL0AA14")
        assert not covers_employer(Role.EMPLOYER_REGISTRAR, WRONG, "91999900MA1FL0BB2X")

    def test_binds_nobody_else(self) -> None:
        assert covers_employer(Role.SITE_OPERATOR, WRONG, "91999900MA1FL0BB2X")


class TestDecidesFor:
    @pytest.mark.parametrize(
        ("role", "authority", "district", "does"),
        [
            (Role.CITY_SUPERVISOR, Authority.CITY, None, True),
            (Role.CITY_SUPERVISOR, Authority.DISTRICT, "310109", False),
            (Role.DISTRICT_SUPERVISOR, Authority.CITY, None, False),
            (Role.DISTRICT_SUPERVISOR, Authority.DISTRICT, "310109", True),
            (Role.DISTRICT_SUPERVISOR, Authority.SITE, "310109", True),
            (Role.DISTRICT_SUPERVISOR, Authority.DISTRICT, "310115", False),
            (Role.STATION_OFFICER, Authority.DISTRICT, "310109", False),
        ],
    )
    def test_the_own_authority_only(self, role: Role, authority: Authority, district: str | None, does: bool) -> None:
        assert does is decides_for(role, RIGHT, authority, district)
