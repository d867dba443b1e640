"""docker-compose.yml, as it runs. In the order of an installation's life: each test begins where the one before ended."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from datetime import date
from functools import partial
from http import HTTPStatus

import httpx2
import pytest

from chassis.testing.wait import eventually
from deploy.make_secrets import make, put_on_top
from devstack.story import play_at
from devstack.story.cast import HONGKOU, Person, citizen_id
from devstack.tokens import Account
from tests.compose.composition import TIMEOUT_S, Composition
from tests.compose.conftest import say
from tests.compose.load import OPERATOR, under_load
from tests.compose.on_call import on_call
from tests.compose.runbooks import FOLDER, command, commands
from tests.compose.wrongs import banned_on_site, event_parked, process_down
from tests.house.test_compose import ASKED, CONTAINERS, DATABASES, DISKS, OURS, REINDEXES, REWRAPS, SIMULATOR, secrets_of
from tests.journeys.browser import Browser
from tests.prometheus.dashboards import DASHBOARDS, expressions
from tests.prometheus.rules import ALERTS, metrics_of

REACHES = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3)
except OSError:
    sys.exit("closed")
print("open")
"""
LOOKED_AT_S_MAX = 180.0
"""From what is true to what Prometheus says: sizes are read every half minute."""
EXIT_CODES = {"erase-everybody": 2, "/etc/gatehouse/postgres/restore.sh": 1}
"""Of what runbooks say to do where nothing is wrong, for what must not be done then: the epidemic lasts, the server runs."""
REBUILDS = command("rebuild.md", "rebuild")
RESTORES = command("restore.md", "/etc/gatehouse/postgres/restore.sh")
REHASHES = command("restore.md", "rehash-users")
SITE_USERS = [
    Person("测试", citizen_id(region="310109", born=date(1980, 5, 20), order=each), f"139000001{each}") for each in (11, 13)
]
WITH_LOGS = ("registration", "health", "gatekeeper", "healthcloud-bridge", "police-bridge")


def reaches(composition: Composition, service: str, host: str, port: int) -> bool:
    return "open" in composition.inside(service, ["python3", "-c", REACHES, host, str(port)], check=False)


async def asks(composition: Composition, token: str) -> int:
    """How a service answers that has not heard of the portal's keys for a while."""
    async with httpx2.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as client:
        url = f"{composition.urls['registration']}/v1/contracts/{HONGKOU}"
        return (await client.get(url, headers={"Authorization": f"Bearer {token}"})).status_code


async def issued(composition: Composition) -> str:
    """A token; none while the portal begins."""
    with suppress(httpx2.HTTPError):
        return (await composition.issue(OPERATOR))[0]
    return ""


def logs_in(composition: Composition, role: str, password: str) -> bool:
    dsn = f"postgresql://{role}:{password}@127.0.0.1/{role}"
    return "here" in composition.inside("logs-postgres", ["psql", "--command", "SELECT 'here'", dsn], check=False)


def lets_sign_in(composition: Composition, person: Person) -> None:
    composition.inside(
        "portal-api",
        ["python3", "-m", "portal", "site-user-put", "--role", "site_operator", "--contract", HONGKOU],
        told={"GATEHOUSE_DOCUMENT_NUMBER": person.number, "GATEHOUSE_MOBILE": person.mobile},
    )


async def gone(left: Callable[[], Awaitable[Collection[object]]]) -> None:
    """Wait until nothing of it is left."""

    async def nothing_is_left() -> bool:
        return not await left()

    with suppress(TimeoutError):
        await eventually(nothing_is_left, within_s=LOOKED_AT_S_MAX)
    assert not await left()


class TestInstallation:
    async def test_plays_the_manuals_story(self, composition: Composition) -> None:
        assert [] == await play_at(composition.urls, composition.issue, say)

    def test_lets_nobody_else_to_a_database(self, composition: Composition) -> None:
        assert reaches(composition, "registration-api", "logs-postgres", 5432)
        assert reaches(composition, "portal-api", "registration-api", 8000)
        for host, port in (("logs-postgres", 5432), ("keys-postgres", 5432), ("kafka", 9092)):
            assert not reaches(composition, "portal-api", host, port)
        assert not reaches(composition, "registration-api", "accounts-postgres", 5432)
        # By its address, too, and not only by its name.
        networks = composition.containers()["logs-postgres"]["NetworkSettings"]["Networks"]
        assert not reaches(composition, "portal-api", next(iter(networks.values()))["IPAddress"], 5432)

    @pytest.mark.parametrize("service", ["registration-worker", "portal-api", "logs-postgres", "kafka"])
    def test_runs_without_rights_on_a_disk_that_it_cannot_write(self, composition: Composition, service: str) -> None:
        attempt = "id -u; touch /etc/written /opt/written 2>/dev/null && echo written; grep CapEff /proc/self/status"
        said = composition.inside(service, ["sh", "-c", attempt]).split()
        assert "0" != said[0]
        assert "written" not in said
        assert "0000000000000000" == said[-1]

    def test_keeps_scans_and_lets_nobody_else_read_what_is_in_a_volume(self, composition: Composition) -> None:
        scans = "/var/lib/gatehouse/checklists"
        composition.inside("registration-api", ["sh", "-c", f"touch {scans}/written && rm {scans}/written"])
        # Of Prometheus' own everybody may know.
        looks = ["find", "/disks", "-path", "/disks/measured", "-prune", "-o", "-type", "f", "-readable", "-print"]
        assert "" == composition.inside(DISKS, looks, check=False)

    async def test_tells_operators_which_release_it_is_of(self, composition: Composition) -> None:
        token, _ = await composition.issue(Account("ops"))
        async with httpx2.AsyncClient(timeout=TIMEOUT_S, trust_env=False, headers={"Authorization": f"Bearer {token}"}) as client:
            urls = {name: url for name, url in composition.urls.items() if name not in ("portal", SIMULATOR)}
            told = {name: (await client.get(f"{url}/v1/ops/status")).raise_for_status().json() for name, url in urls.items()}
        assert dict.fromkeys(urls, "under-test") == {name: each["version"] for name, each in told.items()}


class TestWatching:
    async def test_asks_every_process(self, composition: Composition) -> None:
        async def silent() -> set[str]:
            targets = (await composition.looks("prometheus", "/api/v1/targets"))["data"]["activeTargets"]
            return ASKED - {each["labels"]["instance"].partition(":")[0] for each in targets if each["health"] == "up"}

        await gone(silent)

    async def test_can_answer_what_alerts_and_dashboards_ask(self, composition: Composition) -> None:
        asked = {f"{name}: {title}": query for name, each in DASHBOARDS.items() for title, query in expressions(each).items()}
        asked |= {name: rule["expr"] for name, rule in ALERTS.items()}
        answers = {title: await composition.looks("prometheus", "/api/v1/query", query=query) for title, query in asked.items()}
        assert {"success"} == {each["status"] for each in answers.values()}
        wanted = {metric for query in asked.values() for metric in metrics_of(query)}

        async def unknown() -> set[str]:
            # What was counted, and what there is to be counted.
            told = [await composition.looks("prometheus", f"/api/v1/{path}") for path in ("label/__name__/values", "metadata")]
            return wanted - {name for each in told for name in each["data"]}

        await gone(unknown)

    async def test_calls_somebody_when_it_matters_and_says_when_it_is_over(self, composition: Composition) -> None:
        networks = composition.containers()["alertmanager"]["NetworkSettings"]["Networks"]
        async with on_call(next(iter(networks.values()))["Gateway"]) as somebody:
            (composition.secrets_folder / "alert_webhook_url").unlink()
            (composition.secrets_folder / "alert_webhook_url").write_text(somebody.url)
            await composition.recreate("alertmanager")
            alerts = {"ProcessDown", "BannedOnSite", "EventsParked"}
            async with process_down(composition, "reporting-worker"), banned_on_site(composition), event_parked(composition):
                await somebody.is_told("firing", alerts)
                say(f"was called: {', '.join(somebody.statuses)}")
            await somebody.is_told("resolved", alerts)
            assert somebody.has_runbooks()

    async def test_knows_when_each_server_was_backed_up(self, composition: Composition) -> None:
        for server in sorted(DATABASES):
            await asyncio.to_thread(composition.inside, server, ["sh", "/etc/gatehouse/postgres/backup.sh"])

        async def old() -> list[dict[str, str]]:
            query = "time() - gatehouse_backup_completed_timestamp_seconds > 3600"
            found = await composition.looks("prometheus", "/api/v1/query", query=query)
            return [each["metric"] for each in found["data"]["result"]]

        await gone(old)

    async def test_knows_how_full_the_disks_are(self, composition: Composition) -> None:
        async def unknown() -> set[str]:
            found = await composition.looks("prometheus", "/api/v1/query", query="gatehouse_disk_available_bytes > 0")
            told = [name for each in found["data"]["result"] for name in each["metric"]["volumes"].split(",")]
            return {volume.partition(":")[0] for volume in CONTAINERS[DISKS]["volumes"]} - {*told}

        await gone(unknown)

    async def test_shows_the_dashboards(self, composition: Composition) -> None:
        if "grafana" not in composition.stay:
            pytest.skip("Grafana is not in Debian: nothing stands in for its image where that cannot be fetched")
        administrator = ("admin", (composition.secrets_folder / "grafana_admin").read_text())
        shown = await composition.looks("grafana", "/api/search", administrator, type="dash-db")
        assert DASHBOARDS.keys() == {each["uid"] for each in shown}
        assert "OK" == (await composition.looks("grafana", "/api/datasources/uid/prometheus/health", administrator))["status"]


class TestRunbook:
    @pytest.mark.parametrize("line", [line for file in sorted(FOLDER.glob("*.md")) for line in commands(file) if line != REBUILDS])
    async def test_gives_a_command_that_can_be_typed(self, composition: Composition, line: str) -> None:
        exit_code = next((code for word, code in EXIT_CODES.items() if word in line), 0)
        await asyncio.to_thread(composition.types, line, exit_code=exit_code)
        await composition.healthy()

    async def test_rebuilds_a_read_model_beside_the_living(self, composition: Composition) -> None:
        assert "switched; the replaced tables are kept" in await asyncio.to_thread(composition.types, REBUILDS)
        assert "dropped" in await asyncio.to_thread(composition.types, f"{REBUILDS} --drop-old")


class TestOperation:
    async def test_loses_nothing_while_each_container_is_restarted_under_load(self, composition: Composition) -> None:
        async with under_load(composition) as load:
            for service in composition.stay:
                identity = composition.containers()[service]["Id"]
                await asyncio.to_thread(composition.docker, "restart", "--time", "30", identity)
                await composition.healthy(service)
                await load.goes_on()
                say(f"{service} restarted: {load}")
        assert [] == load.wrong()

    async def test_comes_back_from_its_backup(self, composition: Composition) -> None:
        """docs/runbooks/restore.md: the last backup is older than the load."""
        users = [name for name in composition.stay if "logs" in CONTAINERS[name]["networks"] and name not in DATABASES]
        async with under_load(composition) as load:
            await load.goes_on()
        await asyncio.to_thread(composition.compose, "stop", *users)
        await asyncio.to_thread(composition.compose, "stop", "logs-postgres")
        said = await asyncio.to_thread(composition.types, RESTORES)
        assert "What was there is in" in said
        await asyncio.to_thread(composition.compose, "start", "logs-postgres")
        await composition.healthy("logs-postgres")
        await asyncio.to_thread(composition.compose, "start", *users)
        await composition.healthy()
        await asyncio.to_thread(composition.types, command("restore.md", "link-again"))
        async with under_load(composition) as after:
            await after.goes_on()
        assert [] == [*load.wrong(), *after.wrong()]
        assert all(deed.acknowledged <= set(later.after) for deed, later in zip(load.deeds, after.deeds, strict=True))

    async def test_takes_another_signing_key_and_turns_nobody_away(self, composition: Composition) -> None:
        folder = composition.secrets_folder
        (folder / "signing_key").rename(folder / "retiring_signing_key")
        make(folder)
        before, _ = await composition.issue(OPERATOR)
        await composition.exchange("portal-api")
        after = await eventually(partial(issued, composition), within_s=TIMEOUT_S)
        # The header names the key.
        assert before.partition(".")[0] != after.partition(".")[0]
        assert [HTTPStatus.OK, HTTPStatus.OK] == [await asks(composition, token) for token in (before, after)]

    async def test_takes_another_password_and_no_longer_the_old_one(self, composition: Composition) -> None:
        folder = composition.secrets_folder
        old = (folder / "database_health").read_text()
        for name in ("database_health", "keys_health", "kafka_health"):
            (folder / name).unlink()
        make(folder)
        await composition.recreate("logs-roles", "keys-roles", "brokers-provision", "health-api", "health-worker")
        assert not logs_in(composition, "health", old)
        assert logs_in(composition, "health", (folder / "database_health").read_text())
        async with under_load(composition) as load:
            await load.goes_on()

    async def test_takes_another_key_encryption_key_and_opens_whatever_was_sealed(self, composition: Composition) -> None:
        key, other = (composition.secrets_folder / name for name in ("key_encryption_key", "other_key_encryption_key"))
        was = key.read_text()
        key.unlink()
        other.rename(key)
        other.write_text(was)
        sealing = [name for name in composition.stay if "key_encryption_key" in secrets_of(name)]
        await composition.recreate(*sealing)
        said = composition.compose("run", "--rm", "-T", REWRAPS)
        assert re.search(r"^[1-9][\d,]* keys wrapped anew", said, re.MULTILINE), said
        other.unlink()
        make(composition.secrets_folder)
        await composition.recreate(*sealing)

    async def test_takes_another_index_key_on_top_and_knows_whoever_was_known(self, composition: Composition) -> None:
        put_on_top(composition.secrets_folder / "index_key")
        await composition.recreate(*(name for name in composition.stay if "index_key" in secrets_of(name)))
        said = composition.compose("run", "--rm", "-T", REINDEXES)
        assert re.search(r"^[1-9][\d,]* documents indexed anew, [1-9][\d,]* old indexes dropped", said, re.MULTILINE), said
        async with under_load(composition) as load:
            await load.goes_on()

    async def test_takes_another_user_key_on_top_and_signs_nobody_out(self, composition: Composition) -> None:
        async with httpx2.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as client:
            signed_in, known = Browser(client, composition.urls["portal"]), Browser(client, composition.urls["portal"])
            for person in SITE_USERS:
                lets_sign_in(composition, person)
            assert await signed_in.signs_in(SITE_USERS[0])
            put_on_top(composition.secrets_folder / "user_key")
            await composition.recreate("portal-api")
            said = await asyncio.to_thread(composition.types, REHASHES)
            assert re.search(r'"portal\.users_rehashed".*"rows_count": ?[1-9]', said), said
            await signed_in.open("/contracts")
            assert "/contracts" == signed_in.path
            assert await known.signs_in(SITE_USERS[1])

    async def test_has_the_same_everywhere_afterwards(self, composition: Composition) -> None:
        await composition.healthy()
        for service in WITH_LOGS:
            package = service.replace("-", "_")
            composition.inside(f"{service}-worker", ["python3", "-m", package, "verify"])
        assert [] == await play_at(composition.urls, composition.issue, say)

    def test_changes_nothing_where_it_is_brought_up_again(self, composition: Composition) -> None:
        before = {name: each["Id"] for name, each in composition.containers().items() if name in composition.stay}
        composition.up()
        after = composition.containers()
        assert before == {name: each["Id"] for name, each in after.items() if name in composition.stay}
        assert {0} == {each["State"]["ExitCode"] for name, each in after.items() if name not in composition.stay}

    def test_ends_well_when_it_is_told_to(self, composition: Composition) -> None:
        composition.compose("stop")
        ended = {name: each["State"]["ExitCode"] for name, each in composition.containers().items() if name in OURS}
        assert {name: 0 for name in OURS if name != SIMULATOR} == {name: code for name, code in ended.items() if name != SIMULATOR}
