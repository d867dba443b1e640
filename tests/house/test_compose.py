"""The rules of `docker-compose.yml`, read without an engine. `make test-compose` runs it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from chassis.installation import InstallationSettings
from chassis.settings import ServiceSettings
from chassis.tracing import VARIABLES
from deploy.make_secrets import make
from devstack.backups import KEPT_DAYS
from devstack.images import PUBLIC
from devstack.services import PROGRAMS, service
from tests.house.assembled import wired
from tests.house.house import REPOSITORY, SERVICES, ServiceFolder

DEPLOY = REPOSITORY / "deploy"
GRAFANA = DEPLOY / "grafana" / "provisioning"
FILE: dict[str, Any] = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
CONTAINERS: dict[str, dict[str, Any]] = FILE["services"]
OURS = {name: each for name, each in CONTAINERS.items() if each["image"].startswith("gatehouse/")}
FOREIGN = {name: each for name, each in CONTAINERS.items() if name not in OURS}
JOBS = {name for name in CONTAINERS if name.endswith(("-roles", "-migrate", "-provision", "-rewrap", "-reindex"))}
PROCESSES = CONTAINERS.keys() - JOBS
DATABASES = {name for name in CONTAINERS if name.endswith("-postgres")}
SIMULATOR = "healthcloud-simulator"
REWRAPS, REINDEXES = "keys-rewrap", "keys-reindex"
"""Run by hand when a key is changed, with the keys that they change, for some minutes."""
DISKS = "disks"
"""Belongs to no service, and looks at every volume's disk."""
SMALL = {"declarations", "certificate", "alerts", "grafana"}
"""Volumes that do not grow with what happens."""
ASKED = (PROCESSES & OURS.keys()) - {SIMULATOR}
"""Those with metrics."""
WATCHING = {"prometheus": 9090, "alertmanager": 9093, "grafana": 3000}
"""Container → the port that it is looked at on."""

UNDERSTOOD = {
    *("image", "build", "command", "entrypoint", "environment", "user", "profiles", "restart", "depends_on", "healthcheck"),
    *("volumes", "tmpfs", "shm_size", "secrets", "networks", "network_mode", "ports", "logging", "read_only", "cap_drop"),
    *("security_opt", "pids_limit", "mem_limit", "cpus", "stop_grace_period", "stop_signal", "init"),
}
"""What docker-compose 1.29 and Compose v2 both read, and take for the same."""

each_container = pytest.mark.parametrize("name", CONTAINERS)
each_service = pytest.mark.parametrize("service", SERVICES, ids=str)


def package_of(name: str) -> str:
    """Of one of our containers."""
    return name.rpartition("-")[0].replace("-", "_")


def secrets_of(name: str) -> dict[str, str]:
    """Secret → file that it is under /run/secrets."""
    given = CONTAINERS[name].get("secrets", ())
    return dict((each, each) if isinstance(each, str) else (each["source"], each["target"]) for each in given)


def holders(secret: str) -> set[str]:
    return {name for name in CONTAINERS if secret in secrets_of(name)}


def unless_told(text: str) -> str:
    """What it says where nobody chose anything."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def neighbours(network: str) -> set[str]:
    return {name for name, each in CONTAINERS.items() if network in each.get("networks", ())}


class TestFile:
    def test_is_read_by_old_and_new_compose_alike(self) -> None:
        assert {"services", "networks", "volumes", "secrets"} == {key for key in FILE if not key.startswith("x-")}
        assert {} == {name: odd for name, each in CONTAINERS.items() if (odd := each.keys() - UNDERSTOOD)}

    @each_service
    def test_has_every_service_as_api_and_worker(self, service: ServiceFolder) -> None:
        application = wired(service.package).application
        works = wired(service.package).service.has_log or application.read_models or application.works
        assert {"migrate", "api", *(["worker"] if works else [])} == {
            name.rpartition("-")[2] for name in OURS if package_of(name) == service.package and not CONTAINERS[name].get("profiles")
        }

    def test_lets_whoever_runs_it_choose_every_setting_of_the_portal(self) -> None:
        own = wired("portal").service.settings.model_fields.keys() - ServiceSettings.model_fields.keys()
        told = {each.lower() for each in CONTAINERS["portal-api"]["environment"]} | {*secrets_of("portal-api").values()}
        assert set() == {each for each in own if f"gatehouse_{each}" not in told}

    def test_lets_whoever_runs_it_choose_every_image_of_others(self) -> None:
        public = r"\$\{[A-Z]+_IMAGE:-[\w./-]+:[\w.-]*\d[\w.-]*\}"
        assert [] == [name for name, each in FOREIGN.items() if not re.fullmatch(public, each["image"])]
        built = [each["build"]["args"]["BASE_IMAGE"] for each in OURS.values() if "build" in each]
        assert [] == [base for base in built if not re.fullmatch(public, base)]
        chosen = {each["image"] for each in FOREIGN.values()} | {*built}
        assert {f"${{{variable}:-{image}}}" for variable, image in PUBLIC.items()} == chosen

    def test_builds_each_image_of_ours_once_as_the_service_says(self) -> None:
        built = {each["image"]: each["build"]["args"] for each in OURS.values() if "build" in each}
        assert {each["image"] for each in OURS.values()} == built.keys()
        for folder in SERVICES:
            arguments = built[f"gatehouse/{folder.folder.name}:${{GATEHOUSE_VERSION:-0.1.0}}"]
            assert (f"services/{folder.folder.name}", folder.package) == (arguments["DISTRIBUTION"], arguments["PACKAGE"])

    def test_asks_nobody_more_often_than_it_must(self) -> None:
        """Of what is ours the image says how often, which may run elsewhere."""
        asked = {name: each["healthcheck"].items() for name, each in FOREIGN.items() if name not in JOBS}
        assert [] == [name for name, told in asked.items() if not FILE["x-asked"].items() <= told]
        assert [] == [name for name, each in OURS.items() if name not in JOBS and "healthcheck" in each]
        told = re.search(r"^HEALTHCHECK (.*) \\$", (DEPLOY / "service.Dockerfile").read_text(), re.MULTILINE)
        assert told is not None
        flags = {name.replace("-", "_"): value for name, value in re.findall(r"--([a-z-]+)=(\w+)", told[1])}
        assert {name: str(value) for name, value in FILE["x-asked"].items()} == flags


class TestKafka:
    def test_can_unpack_what_it_compresses_with(self) -> None:
        # An engine mounts a tmpfs so that nothing on it runs: the broker would start, and take no batch of zstd.
        assert ["/tmp:exec"] == CONTAINERS["kafka"]["tmpfs"]  # noqa: S108


@pytest.mark.parametrize("name", sorted(DATABASES))
class TestDatabase:
    def test_archives_into_a_volume_that_nobody_else_has(self, name: str) -> None:
        told = {flag.removeprefix("-c").partition("=")[0]: flag.partition("=")[2] for flag in CONTAINERS[name]["command"][1:]}
        assert ("on", "sh /etc/gatehouse/postgres/archive.sh %p %f") == (told["archive_mode"], told["archive_command"])
        backups = f"{name.removesuffix('-postgres')}-backups"
        assert f"{backups}:/var/lib/postgresql" in CONTAINERS[name]["volumes"]
        assert [name] == [
            other for other, each in CONTAINERS.items() if f"{backups}:" in str(each.get("volumes")) and other != DISKS
        ]

    def test_keeps_backups_as_long_as_on_the_local_stack(self, name: str) -> None:
        kept = KEPT_DAYS["keys" if name == "keys-postgres" else "main"]
        assert CONTAINERS[name]["environment"]["KEPT_DAYS"].endswith(f":-{kept}}}")


@each_container
class TestContainer:
    def test_is_hardened(self, name: str) -> None:
        container = CONTAINERS[name]
        assert container["read_only"]
        assert ["ALL"] == container["cap_drop"]
        assert ["no-new-privileges:true"] == container["security_opt"]

    def test_does_not_run_as_root(self, name: str) -> None:
        # Our images say so themselves.
        assert name in OURS or not re.search(r"-?\b(0|root)\}?$", CONTAINERS[name]["user"])

    @pytest.mark.parametrize("limit", ["mem_limit", "cpus", "pids_limit", "logging"])
    def test_is_bounded(self, name: str, limit: str) -> None:
        assert CONTAINERS[name][limit]

    def test_is_started_again_unless_it_is_a_job(self, name: str) -> None:
        assert ("no" if name in JOBS else "unless-stopped") == CONTAINERS[name]["restart"]

    def test_buries_what_is_left_behind_unless_it_is_a_job(self, name: str) -> None:
        assert (name in PROCESSES) == CONTAINERS[name].get("init", False)

    def test_has_time_to_end_well(self, name: str) -> None:
        drain_s_max = 10.0  # See `chassis.runner.STOP_S_MAX`: what was asked for is answered after that.
        assert name in JOBS or int(CONTAINERS[name]["stop_grace_period"].removesuffix("s")) > drain_s_max

    def test_begins_when_what_it_needs_is_there(self, name: str) -> None:
        for needed, told in CONTAINERS[name].get("depends_on", {}).items():
            assert ("service_completed_successfully" if needed in JOBS else "service_healthy") == told["condition"]

    def test_keeps_what_it_keeps_in_named_volumes(self, name: str) -> None:
        for volume in CONTAINERS[name].get("volumes", ()):
            source, _, rest = unless_told(volume).partition(":")
            assert source in FILE["volumes"] or (source.startswith("./deploy/") and rest.endswith(":ro"))

    def test_is_told_no_secret_by_a_variable(self, name: str) -> None:
        secret = re.compile(r"PASSWORD|SECRET|_KEY$|TOKEN")
        variables = CONTAINERS[name].get("environment", {})
        assert [] == [each for each in variables if secret.search(each) and not each.endswith("_FILE")]
        assert [] == [each for each, value in variables.items() if re.search(r"://[^/@]*:[^/@]*@", str(value))]

    def test_has_the_secrets_that_there_are(self, name: str) -> None:
        assert set() == secrets_of(name).keys() - FILE["secrets"].keys()


@pytest.mark.parametrize("name", sorted(OURS.keys() - {SIMULATOR}))
class TestProcess:
    def test_is_told_what_it_has_a_setting_for(self, name: str) -> None:
        alone = "GATEHOUSE_PACKAGE" in CONTAINERS[name]["environment"]
        told = {each.lower() for each in CONTAINERS[name]["environment"] if each != "GATEHOUSE_PACKAGE"} | {
            *secrets_of(name).values()
        }
        shared = {each.lower() for each in FILE["x-told"]}
        fields = (InstallationSettings if alone else wired(package_of(name)).service.settings).model_fields
        assert set() == told - shared - {f"gatehouse_{field}" for field in fields}

    def test_waits_for_its_tables(self, name: str) -> None:
        if name in PROCESSES - {DISKS}:
            assert f"{name.rpartition('-')[0]}-migrate" in CONTAINERS[name]["depends_on"]

    def test_ends_before_the_servers_that_it_still_needs_then(self, name: str) -> None:
        servers = {*DATABASES, "kafka"} & {
            other for network in CONTAINERS[name].get("networks", ()) for other in neighbours(network)
        }
        assert name in JOBS or servers <= CONTAINERS[name].get("depends_on", {}).keys()


class TestDisks:
    def test_are_looked_at_of_every_volume_that_grows(self) -> None:
        looked_at = [f"{volume}:/disks/{volume}:ro" for volume in FILE["volumes"] if volume not in SMALL]
        assert looked_at == CONTAINERS[DISKS]["volumes"]
        assert {"GATEHOUSE_PACKAGE": "chassis", "GATEHOUSE_DISKS": "/disks"} == CONTAINERS[DISKS]["environment"]

    def test_are_looked_at_by_nobody_who_could_read_or_tell_what_is_there(self) -> None:
        users = [re.sub(r":\d+$", "", unless_told(each.get("user", "10001"))) for each in CONTAINERS.values()]
        assert "10002:10002" == CONTAINERS[DISKS]["user"]
        assert 1 == users.count("10002")
        assert ["metrics"] == CONTAINERS[DISKS]["networks"]
        assert "secrets" not in CONTAINERS[DISKS]
        for script in ("kafka/start.sh", "postgres/archive.sh", "postgres/backup.sh"):
            assert re.search(r"^umask 077\b", (DEPLOY / script).read_text(), re.MULTILINE), script
        assert "-perm /077 -exec chmod go= {} +" in (DEPLOY / "kafka/start.sh").read_text(), "what was written before, too"


class TestTold:
    def test_is_known_to_somebody(self) -> None:
        known = {field for each in SERVICES for field in wired(each.package).service.settings.model_fields}
        assert known > ServiceSettings.model_fields.keys()
        assert set() == {each.lower().removeprefix("gatehouse_") for each in FILE["x-told"] if each not in VARIABLES} - known


class TestNetworks:
    def test_lead_outside_where_somebody_comes_in(self) -> None:
        assert ["services", "monitoring"] == [name for name, told in FILE["networks"].items() if not (told or {}).get("internal")]
        assert {name for name, each in CONTAINERS.items() if "ports" in each} <= neighbours("services") | neighbours("monitoring")

    def test_keep_the_portal_from_logs_keys_and_brokers(self) -> None:
        reached = {other for network in CONTAINERS["portal-api"]["networks"] for other in neighbours(network)}
        assert {"accounts-postgres"} == reached & DATABASES
        assert "kafka" not in reached

    def test_publish_no_database_and_no_broker(self) -> None:
        assert WATCHING.keys() == {name for name in FOREIGN if "ports" in CONTAINERS[name]}

    def test_let_to_the_keys_only_who_holds_one(self) -> None:
        packages = {package_of(name) for name in neighbours("keys") if name in PROCESSES & OURS.keys()}
        assert {each.package for each in PROGRAMS if each.seals or each.identifies} == packages

    def test_publish_where_the_documents_say(self) -> None:
        published = {name: each["ports"] for name, each in OURS.items() if "ports" in each}
        for name, ports in published.items():
            program = service(name.removesuffix("-api").replace("-", "_"))
            assert [f"${{GATEHOUSE_PUBLISH:-127.0.0.1}}:${{{program.port_variable}:-{program.port}}}:8000"] == ports
        assert len(PROGRAMS) == len(published)


class TestWatching:
    def test_asks_every_process_on_a_network_of_its_own(self) -> None:
        assert {*ASKED, "prometheus"} == neighbours("metrics")

    def test_reaches_nobody_else(self) -> None:
        assert WATCHING.keys() == neighbours("monitoring")
        for name in WATCHING:
            assert {"metrics", "monitoring"} >= {*CONTAINERS[name]["networks"]}

    @pytest.mark.parametrize(("name", "port"), WATCHING.items())
    def test_is_looked_at_from_this_host_only_unless_told(self, name: str, port: int) -> None:
        (published,) = CONTAINERS[name]["ports"]
        assert f"${{MONITORING_PUBLISH:-127.0.0.1}}:${{{name.upper()}_PORT:-{port}}}:{port}" == published

    def test_is_found_where_the_others_look_for_it(self) -> None:
        prometheus = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
        (told,) = prometheus["alerting"]["alertmanagers"]
        assert [{"targets": [f"alertmanager:{WATCHING['alertmanager']}"]}] == told["static_configs"]
        (source,) = yaml.safe_load((GRAFANA / "datasources" / "gatehouse.yml").read_text())["datasources"]
        assert f"http://prometheus:{WATCHING['prometheus']}" == source["url"]

    def test_shows_the_dashboards_that_there_are(self) -> None:
        assert "./deploy/grafana:/etc/gatehouse/grafana:ro" in CONTAINERS["grafana"]["volumes"]
        assert "/etc/gatehouse/grafana/provisioning" == CONTAINERS["grafana"]["environment"]["GF_PATHS_PROVISIONING"]
        (provider,) = yaml.safe_load((GRAFANA / "dashboards" / "gatehouse.yml").read_text())["providers"]
        assert "/etc/gatehouse/grafana/dashboards" == provider["options"]["path"]

    def test_has_somebody_told_where_the_file_of_secrets_says(self) -> None:
        start = (DEPLOY / "alertmanager" / "start.sh").read_text()
        assert "/run/secrets/alert_webhook_url" in start
        assert ["alert_webhook_url"] == CONTAINERS["alertmanager"]["secrets"]


class TestSecrets:
    def test_are_made_and_used(self, tmp_path: Path) -> None:
        make(tmp_path / "secrets")
        files = {each.name: f"${{GATEHOUSE_SECRETS:-./secrets}}/{each.name}" for each in (tmp_path / "secrets").iterdir()}
        in_lists = {"keys_portal"}  # The portal's role on the key server is there, and nobody logs in as it.
        assert files.keys() - in_lists == FILE["secrets"].keys()
        assert {name: {"file": files[name]} for name in FILE["secrets"]} == FILE["secrets"]
        assert [] == [name for name in FILE["secrets"] if not holders(name)]

    @pytest.mark.parametrize(
        ("secret", "may_hold"),
        [
            ("key_encryption_key", {each.package for each in PROGRAMS if each.seals}),
            ("other_key_encryption_key", {each.package for each in PROGRAMS if each.seals}),
            ("index_key", {each.package for each in PROGRAMS if each.identifies}),
            ("signing_key", {"portal"}),
            ("retiring_signing_key", {"portal"}),
            ("user_key", {"portal"}),
        ],
    )
    def test_of_everybody_are_told_to_their_holders_only(self, secret: str, may_hold: set[str]) -> None:
        assert may_hold == {package_of(name) for name in holders(secret) - {REWRAPS, REINDEXES}}

    @pytest.mark.parametrize("kind", ["database", "keys", "kafka"])
    def test_of_a_service_are_told_to_nobody_else(self, kind: str) -> None:
        own = [name for name in FILE["secrets"] if name.startswith(f"{kind}_") and not name.endswith(("_owner", "_users"))]
        assert own
        for secret in own:
            package = secret.removeprefix(f"{kind}_").replace("-", "_")
            assert {package} == {package_of(name) for name in holders(secret)}

    def test_of_owners_are_told_to_jobs_only(self) -> None:
        owners = [name for name in FILE["secrets"] if name.endswith("_owner") or name.startswith("superuser_")]
        assert set() == {name for secret in owners for name in holders(secret)} - JOBS - DATABASES
