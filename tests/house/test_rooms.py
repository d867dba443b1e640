"""Whoever knows one service knows where everything is in the others."""

from __future__ import annotations

import ast
import re

import pytest

from tests.house.house import REPOSITORY, SERVICES, ServiceFolder, files, modules, named, parsed

ROOMS = {
    "__init__.py",
    "__main__.py",
    "py.typed",
    "settings.py",
    "wiring.py",
    "wired.py",
    "command_api.py",
    "query_api.py",
    "policies.py",
    "domain",
    "read_models",
    "migrations",
}
"""What a service may have, by the same name everywhere. An empty room is absent."""

OWN_ROOMS: dict[str, dict[str, str]] = {
    "gatekeeper": {
        "freshness.py": "proves how recent the gate's view is, beside every request",
        "gate.py": "a replay is judged again and a stale view is refused: more than body, command, answer",
    },
    "health": {
        "adopted_policies.py": "by what this process judges: a stream that every decision needs, and none may wait for",
        "rehearsing.py": "goes through all people, a window at a time: no row says what a draft would make of somebody",
        "acting.py": "what seven commands about one person have in common before and after their decision",
        "grounds_api.py": "what was decided, in words: sealed, read by fewer people than query_api.py, and recorded",
        "lists_api.py": "whom to see to on a day, of a site or of an authority: of many people, where query_api.py is of one",
        "many_people.py": "one request, many commands, each with an answer of its own",
        "round_api.py": "a report of a whole team is neither one command nor one answer",
        "disposition_batches.py": "what waits for a second person is no fact yet: plain rows",
        "batch_api.py": "two requests of two people, and many commands of one",
        "ban_api.py": "bans are looked at again and objected to: its words are about a decision that stands, not about a new one",
        "policy_api.py": "of authorities, not of people: drafts, rehearsals and what was adopted",
    },
    "healthcloud_bridge": {
        "client.py": "the upstream's API",
        "circuit.py": "whether the upstream is asked at all",
        "translation.py": "the upstream's words to ours",
        "regions.py": "places as the upstream's users write them",
        "regions.json": "their table",
        "receiving.py": "from the upstream's answer to a fact, for the endpoint and for the poller",
        "quota.py": "how much an account may ask for: a count beside the log, for refusing is no fact",
        "poller.py": "asks the upstream again, without anybody's request",
    },
    "police_bridge": {
        "rendering.py": "a sealed fact becomes a message in plain words, here and nowhere else",
        "publishing.py": "those messages go to topics by district, in place of the log's own",
        "clearing.py": "the topics told again without whoever was erased",
        "receipts.py": "what the police says back: plain rows beside the log",
        "cursor.py": "where a reader of the feed stands, opaque to him",
    },
    "portal": {
        "accounts.py": "plain rows, not facts",
        "token_api.py": "tokens are neither command nor query",
        "throttle.py": "guessing, by programs and by people",
        "users.py": "people who sign in: plain rows, not facts",
        "operators.py": "what project leads granted: registration's word, never kept",
        "login_codes.py": "验证码",
        "addresses.py": "proxies hide from where somebody asks, and throttle.py and 内网 need it",
        "message_gateway.py": "how a code reaches a mobile",
        "session.py": "who sits in front of a browser",
        "key_ages.py": "only the portal signs tokens, and only browsers are shown a certificate",
        "digests.py": "what is compared and never read back",
        "user_keys.py": "how the key of those digests is changed",
        "visits.py": "what is around every page, as chassis.endpoint is around every endpoint",
        "forms.py": "what a browser sends, which is no JSON",
        "upstream": "the services as pages ask them",
        "pages": "for people, one module a topic",
        "templates": "their HTML",
        "static": "what browsers get as it is; in vendor/ what others wrote, with its licence",
        "rendering.py": "templates to HTML",
        "labels.py": "the manual's words for codes",
        "languages.py": "Chinese as written, English from its catalogue",
        "locales": "that catalogue",
    },
    "registration": {
        "erasing.py": "the key, then the fact: of one person for a request, of everybody for an operator",
        "erasing_again.py": "an operator's command, after a restore of the keys",
        "erasing_everybody.py": "an operator's command, at the end of the epidemic",
        "pre_registering.py": "from a typed form to facts, for the endpoint and for late declarations",
        "correcting.py": "from a typed correction to a fact, with the declaration that is known",
        "changed_fields.py": "what a correction changed, field by field, for who works and who comes along",
        "bodies.py": "who is registered, for requests and for rows of files",
        "imports": "files: read, checked, worked on row by row",
        "import_api.py": "files are neither one command nor one query",
        "awaiting_forms.py": "forms of people and of family in one list, out of two read models",
        "awaiting_api.py": "open work: told alike to the site and to whoever supervises it",
        "people_here.py": "who somebody is, out of several read models",
        "people_api.py": "for those who know a person_id and can read no name: neither a list nor a form",
        "supervised.py": "whose contracts an authority asks for, for each list of open work",
        "kept_forms.py": "a refusal that was stored is told alike for who works and who comes along",
        "linking.py": "one request, a fact in every record of the person; also who is erased with whom",
        "linking_again.py": "an operator's command, after a restore of the log",
        "documents_api.py": "further documents of a person: about records, not about who is expected where",
        "operators_api.py": "who may act here, not who works here",
        "family_api.py": "携带家属: people beside those who are expected",
        "grounds_api.py": "why something was put right, in words: sealed, read by fewer people than query_api.py, and recorded",
        "review_items.py": "one list out of several read models",
        "review_api.py": "待核: neither what was handed in nor who is expected, but what is odd about it",
        "erasing_api.py": "the one act that cannot be taken back, in the order in which it must be done",
        "checklist_api.py": "files again: not JSON in, not JSON out",
        "checklist_files.py": "what is too large for a log, on a disk",
        "site_api.py": "a site's own precautions: told and shown to the same people, on one page of theirs",
        "reporting_contracts.py": "a station and a contract from one report, for the endpoint and for files",
        "roster_import.py": "one request, many commands",
        "late_take_ups.py": "finds forms that a declaration missed by a moment, beside the worker",
    },
    "reporting": {
        "access_api.py": "of people, not of supervision: to whom somebody was shown",
        "overview_api.py": "beside the manual's tables: stations to choose from, and the course of the last days",
        "supervision": "the manual's tables, each from several read models in one snapshot",
    },
}
"""What one service has besides, and why no room that all have would hold it."""

HEADINGS = ("decides", "stores", "publishes", "consumes", "answers", "runs")
BANNED = {"utils", "util", "common", "helpers", "helper", "manager", "managers", "base", "misc", "stuff", "tools", "lib"}
"""Names that say nothing about what is inside, and so attract everything."""

each_service = pytest.mark.parametrize("service", SERVICES, ids=str)


@each_service
class TestService:
    def test_has_rooms_that_all_have_and_those_it_gives_a_reason_for(self, service: ServiceFolder) -> None:
        there = {file.relative_to(service.rooms).parts[0] for file in files() if file.is_relative_to(service.rooms)}
        assert ROOMS | OWN_ROOMS.get(service.package, {}).keys() >= there

    def test_needs_every_reason_that_it_gives(self, service: ServiceFolder) -> None:
        assert [] == [room for room in OWN_ROOMS.get(service.package, {}) if not (service.rooms / room).exists()]

    def test_can_be_started_and_is_wired_in_one_place(self, service: ServiceFolder) -> None:
        assert all((service.rooms / room).is_file() for room in ("__init__.py", "__main__.py", "wiring.py"))

    def test_opens_with_its_reading_order(self, service: ServiceFolder) -> None:
        assert "·" in (ast.get_docstring(parsed(service.rooms / "__init__.py")) or "")

    def test_says_on_one_page_what_it_does(self, service: ServiceFolder) -> None:
        page = (service.folder / "README.md").read_text().lower()
        found = [page.find(f"**{heading}**") for heading in HEADINGS]
        assert -1 not in found, HEADINGS[found.index(-1)]
        assert sorted(found) == found, f"in this order: {' · '.join(HEADINGS)}"
        assert len(page.splitlines()) <= 60

    def test_is_a_distribution_of_its_own(self, service: ServiceFolder) -> None:
        assert f'name = "gatehouse-{service.folder.name}"' in (service.folder / "pyproject.toml").read_text()


class TestNames:
    def test_of_modules_say_what_is_inside(self) -> None:
        found = modules("contracts", "chassis", "devstack", "services", "bench", "tests")
        assert [] == [named(file) for file in found if BANNED & {*file.relative_to(REPOSITORY).parts[:-1], file.stem}]

    def test_of_migrations_are_given_once(self) -> None:
        # They are recorded in the database by name: of two, the second would never be applied.
        names = [file.stem for file in files() if file.suffix == ".sql" and "migrations" in file.parts]
        assert names
        assert [] == sorted({name for name in names if names.count(name) > 1})

    def test_of_migrations_begin_with_whose_they_are(self) -> None:
        wrong = [
            named(file)
            for service in SERVICES
            for file in files()
            if file.is_relative_to(service.rooms / "migrations")
            and not re.fullmatch(rf"{service.package}_\d{{4}}_[a-z0-9_]+\.sql", file.name)
        ]
        assert [] == wrong
