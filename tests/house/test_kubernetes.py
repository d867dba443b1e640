"""`deploy/kubernetes`, without a cluster: by the schemas of Kubernetes, and by `docker-compose.yml`, which is run."""

from __future__ import annotations

import json
import re
from typing import Any

import kubernetes_validate
import pytest

from chassis.installation import COMMANDS, InstallationSettings
from chassis.operations import OPERATIONS
from chassis.probes import PROBE_PATHS
from chassis.runner import ROLES, STOP_S_MAX
from chassis.tracing import VARIABLES
from deploy.kubernetes import rebuild
from deploy.sbom import SERVICES as IMAGES
from tests.house import test_compose as compose
from tests.house.assembled import wired
from tests.house.house import REPOSITORY, SERVICES
from tests.house.kustomize import Resource, containers, pod, rendered

FOLDER = REPOSITORY / "deploy" / "kubernetes"
RESOURCES = rendered(FOLDER)
OLDEST, NEWEST = "1.30", "1.37"
"""Versions of Kubernetes whose schemas everything must fit."""
RECIPE = (REPOSITORY / "deploy" / "service.Dockerfile").read_text()
PORT = 8000

each_resource = pytest.mark.parametrize("resource", RESOURCES, ids=lambda each: f"{each['kind']}-{each['metadata']['name']}")


def of_kind(*kinds: str) -> dict[str, Resource]:
    return {each["metadata"]["name"]: each for each in RESOURCES if each["kind"] in kinds}


PODS = of_kind("Deployment", "Job")
PROCESSES = of_kind("Deployment")
CONFIG_MAPS = of_kind("ConfigMap")
SECRETS = of_kind("Secret")
SETTLED_BY_WHOEVER_RUNS_IT = {"GATEHOUSE_EPIDEMIC_ENDED_ON"}

each_pod = pytest.mark.parametrize("name", PODS)
each_process = pytest.mark.parametrize("name", PROCESSES)


def container_of(name: str) -> dict[str, Any]:
    (container,) = containers(PODS[name])
    return container


def labels_of(name: str) -> dict[str, str]:
    found: dict[str, str] = PODS[name]["spec"]["template"]["metadata"]["labels"]
    return found


def told(name: str) -> dict[str, str]:
    """Variables of the container."""
    container = container_of(name)
    found = {each["name"]: each["value"] for each in container.get("env", ())}
    for source in container.get("envFrom", ()):
        found |= CONFIG_MAPS[source["configMapRef"]["name"]]["data"]
    return found


def secrets_of(name: str) -> dict[str, str]:
    """File below /run/secrets → file of `make_secrets.py`."""
    (volume,) = (each["secret"]["secretName"] for each in pod(PODS[name])["volumes"] if each["name"] == "secrets")
    return {target: path.removeprefix("../../secrets/") for target, path in SECRETS[volume]["stringData"].items()}


@each_resource
@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_every_resource_fits_the_schema(resource: Resource, version: str) -> None:
    kubernetes_validate.validate(json.loads(json.dumps(resource)), version, strict=True)


class TestSchema:
    def test_refuses_what_does_not_fit(self) -> None:
        misspelt = json.loads(json.dumps(PODS["portal-api"]))
        misspelt["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(misspelt, NEWEST, strict=True)


class TestEverybody:
    def test_is_there(self) -> None:
        elsewhere = {compose.SIMULATOR, compose.DISKS}  # The nodes tell how full their volumes are.
        wanted = compose.OURS.keys() - elsewhere | compose.JOBS
        assert wanted == PODS.keys()
        assert compose.PROCESSES & compose.OURS.keys() - elsewhere == PROCESSES.keys()

    def test_has_an_image_that_is_built(self) -> None:
        images = {container_of(name)["image"].partition(":")[0] for name in PODS}
        assert {f"gatehouse/{each.name}" for each in IMAGES} | {"postgres"} == images


@each_pod
class TestPod:
    def test_does_what_its_container_in_compose_does(self, name: str) -> None:
        there = compose.CONTAINERS[name]
        assert compose.unless_told(there["image"]) == container_of(name)["image"]
        assert there.get("command") == container_of(name).get("args")
        assert there.get("entrypoint") == container_of(name).get("command")

    def test_runs_what_there_is(self, name: str) -> None:
        (does,) = container_of(name).get("args") or ["provide"]
        assert does in {*ROLES, *COMMANDS, *(each.name for each in OPERATIONS), "provide"}

    def test_is_told_what_its_container_in_compose_is_told(self, name: str) -> None:
        there = compose.CONTAINERS[name]["environment"].keys() - SETTLED_BY_WHOEVER_RUNS_IT
        assert there == told(name).keys() - {"GATEHOUSE_DRAIN_S", "GATEHOUSE_REPLICATION"}

    def test_has_the_secrets_that_its_container_in_compose_has(self, name: str) -> None:
        assert compose.secrets_of(name) == {path: target for target, path in secrets_of(name).items()}

    def test_is_told_what_somebody_has_a_setting_for(self, name: str) -> None:
        known = {f"GATEHOUSE_{field.upper()}" for each in SERVICES for field in wired(each.package).service.settings.model_fields}
        known |= {f"GATEHOUSE_{field.upper()}" for field in InstallationSettings.model_fields} | VARIABLES.keys()
        assert set() == told(name).keys() - known - {"GATEHOUSE_PACKAGE", "PGHOST"}

    def test_is_a_member_of_the_same_networks(self, name: str) -> None:
        there = set(compose.CONTAINERS[name].get("networks", ()))
        assert there == {label.removeprefix("network-") for label in labels_of(name) if label.startswith("network-")}

    def test_is_hardened(self, name: str) -> None:
        container = container_of(name)["securityContext"]
        assert container == {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
        spec = pod(PODS[name])
        assert spec["securityContext"]["runAsNonRoot"]
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False

    def test_is_bounded(self, name: str) -> None:
        assert {"cpu", "memory"} == container_of(name)["resources"]["limits"].keys()

    def test_reads_secrets_from_files(self, name: str) -> None:
        mounts = {each["mountPath"]: each for each in container_of(name)["volumeMounts"]}
        assert mounts["/run/secrets"]["readOnly"]
        assert [] == [each for each in container_of(name).get("env", ()) if "valueFrom" in each]
        assert {each["name"] for each in mounts.values()} == {each["name"] for each in pod(PODS[name])["volumes"]}


@each_process
class TestProcess:
    def test_is_asked_at_its_port_on_paths_that_there_are(self, name: str) -> None:
        container = container_of(name)
        assert [{"name": "http", "containerPort": PORT}] == container["ports"]
        for variable in ("GATEHOUSE_PORT", "GATEHOUSE_WORKER_PORT"):
            assert f"{variable}={PORT}" in RECIPE
        asked = {each: container[f"{each}Probe"]["httpGet"] for each in ("startup", "liveness", "readiness")}
        assert {"startup": "/livez", "liveness": "/livez", "readiness": "/readyz"} == {
            each: probe["path"] for each, probe in asked.items() if probe["port"] == "http"
        }
        assert {"/livez", "/readyz"} < set(PROBE_PATHS)

    def test_has_time_to_end_well(self, name: str) -> None:
        assert pod(PROCESSES[name])["terminationGracePeriodSeconds"] > float(told(name)["GATEHOUSE_DRAIN_S"]) + STOP_S_MAX

    def test_is_found_by_its_own_labels(self, name: str) -> None:
        own = PROCESSES[name]["spec"]["selector"]["matchLabels"]
        assert own.items() <= labels_of(name).items()
        assert [name] == [other for other in PODS if own.items() <= labels_of(other).items()]

    def test_is_never_taken_away_as_a_whole(self, name: str) -> None:
        assert PROCESSES[name]["spec"]["replicas"] > 1
        budget = of_kind("PodDisruptionBudget")[name]["spec"]
        assert (1, PROCESSES[name]["spec"]["selector"]) == (budget["maxUnavailable"], budget["selector"])


class TestRebuild:
    """docs/runbooks/rebuild.md, of a service whose worker and migration are there."""

    JOB = rebuild.job(PODS["reporting-worker"], PODS["reporting-migrate"], ["people_on_contract_v1", "--replace"])

    @pytest.mark.parametrize("version", [OLDEST, NEWEST])
    def test_fits_the_schema(self, version: str) -> None:
        kubernetes_validate.validate(json.loads(json.dumps(self.JOB)), version, strict=True)

    def test_is_the_worker_with_what_its_migration_is_told(self) -> None:
        [container] = containers(self.JOB)
        assert ["rebuild", "people_on_contract_v1", "--replace"] == container["args"]
        assert container["image"] == container_of("reporting-worker")["image"]
        assert container["securityContext"] == container_of("reporting-worker")["securityContext"]
        maps = [each["configMapRef"]["name"] for each in container["envFrom"]]
        both = told("reporting-worker") | told("reporting-migrate")
        assert both == {name: value for each in maps for name, value in CONFIG_MAPS[each]["data"].items()}
        [secrets] = [each["projected"]["sources"] for each in pod(self.JOB)["volumes"] if each["name"] == "secrets"]
        held = [target for each in secrets for target in SECRETS[each["secret"]["name"]]["stringData"]]
        assert sorted(held) == sorted([*secrets_of("reporting-worker"), *secrets_of("reporting-migrate")])

    def test_is_taken_for_no_worker(self) -> None:
        labels = self.JOB["spec"]["template"]["metadata"]["labels"]
        assert [] == [name for name, each in PROCESSES.items() if each["spec"]["selector"]["matchLabels"].items() <= labels.items()]
        assert {"network-logs", "network-brokers"} <= labels.keys()


class TestServices:
    def test_are_where_the_others_are_told_that_they_are(self) -> None:
        services = of_kind("Service")
        urls = [value for value in CONFIG_MAPS["told"]["data"].values() if value.startswith("http://")]
        assert {re.split(r"[/:]+", url)[1] for url in urls} == services.keys()
        assert {str(PORT)} == {re.split(r"[/:]+", url)[2] for url in urls}
        for name, service in services.items():
            assert service["spec"]["selector"] == PROCESSES[name]["spec"]["selector"]["matchLabels"]
            assert [{"name": "http", "port": PORT, "targetPort": "http"}] == service["spec"]["ports"]


class TestNetworks:
    POLICIES = of_kind("NetworkPolicy")

    def test_let_nobody_through_unless_said(self) -> None:
        policy = self.POLICIES["nobody-reaches-anybody"]["spec"]
        assert {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]} == policy

    def test_are_those_of_compose(self) -> None:
        elsewhere = {"monitoring"}  # Whoever watches: here a namespace, which the policy `metrics` lets in.
        for network in compose.FILE["networks"].keys() - elsewhere:
            assert {"matchLabels": {f"network-{network}": "member"}} == self.POLICIES[network]["spec"]["podSelector"]

    def test_lead_to_where_the_servers_are(self) -> None:
        for network, port in {"logs": 5432, "keys": 5432, "accounts": 5432, "brokers": 9092, "brokers-operator": 9094}.items():
            (way,) = self.POLICIES[network]["spec"]["egress"]
            (to,) = way["to"]
            namespace = to["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
            assert [{"port": port}] == way["ports"]
            said = [value for each in CONFIG_MAPS.values() for value in each["data"].values()]
            said += [each["value"] for name in PODS for each in container_of(name).get("env", ())]
            assert any(f".{namespace}" in value for value in said)
