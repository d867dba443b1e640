"""Embedded Apache Kafka: one KRaft node in a JVM of our own, from the jars that `devstack/kafka/pom.xml` names."""

from __future__ import annotations

import asyncio
import hashlib
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from signal import SIGTERM
from uuid import uuid4

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from devstack import children
from devstack.children import Child
from devstack.missing import MissingPart
from devstack.ports import HOST, free_port
from devstack.settings import REPOSITORY
from devstack.state import State

FOLDER = REPOSITORY / "devstack" / "kafka"
POM = FOLDER / "pom.xml"
LOG4J = REPOSITORY / "deploy" / "kafka" / "log4j2.properties"

JAVA_MAJOR_MIN = 17
HEAP = ("-Xms128m", "-Xmx384m")
# One small node: no collector threads, and only the quick compiler. That one halves the CPU of a start and of the first
# million records, and the broker still takes more than our clients can send.
JVM = (*HEAP, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8", "-Djava.awt.headless=true")
DOWNLOAD_DEADLINE_S = 600.0
FORMAT_DEADLINE_S = 60.0
START_DEADLINE_S = 60.0
METADATA_TIMEOUT_S = 5.0


def java_major() -> int | None:
    """The major version of the `java` on PATH; None where there is none."""
    try:
        answer = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True).stderr
    except (OSError, subprocess.CalledProcessError):
        return None
    version = re.search(r'version "(?:1\.)?(\d+)', answer)
    return int(version.group(1)) if version else None


def jar_folder(cache: Path) -> Path:
    """Where the jars of the committed pom.xml are kept: another pom.xml is another folder."""
    return cache / f"kafka-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"


async def fetch_jars(cache: Path, log: Path) -> None:
    """Have Maven download Kafka's jars, unless they are there. Raises: MissingPart, children.ChildEnded."""
    jars = jar_folder(cache)
    if jars.exists():
        return
    if shutil.which("mvn") is None:
        raise MissingPart("Maven, which fetches Kafka, is missing: apt-get install maven")
    # Downloaded beside and moved: half a download is never taken for the whole.
    draft = jars.with_suffix(f".{uuid4().hex[:8]}")
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={draft}"]
    maven = ["mvn", "--quiet", "--batch-mode", "--strict-checksums", f"--file={POM}", *goal]
    await children.run("Maven", maven, log=log, environment=children.environment(), deadline_s=DOWNLOAD_DEADLINE_S)
    with suppress(OSError):  # Another devstack was faster; its folder is as good.
        draft.rename(jars)
    shutil.rmtree(draft, ignore_errors=True)


def _version_in_pom() -> str:
    return POM.read_text().partition("<kafka.version>")[2].partition("<")[0]


def scram_at(listener: str) -> Mapping[str, str]:
    """Lets a listener, in lower case, check passwords."""
    login = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    return {f"listener.name.{listener}.scram-sha-512.sasl.jaas.config": login}


class EmbeddedKafka:
    """One broker and controller with its data in the state folder. Starts again on what an earlier run left."""

    def __init__(self, state: State, *, cache: Path, port: int = 0) -> None:
        """`cache` keeps the jars; `port` is wished for, 0 for any, and stays the same over all starts. Raises: MissingPart."""
        if (java_major() or 0) < JAVA_MAJOR_MIN:
            raise MissingPart(f"Java {JAVA_MAJOR_MIN} or newer is missing: apt-get install default-jre-headless")
        self._cache = cache
        self._classpath = f"{jar_folder(cache)}/*"
        self._folder = state.folder("kafka")
        self._log = state.log("kafka")
        self._download_log = state.log("maven")
        self._child: Child | None = None
        self.version = f"Apache Kafka {_version_in_pom()}"
        self.port = free_port(port)
        self.clients_port = free_port()

    @property
    def child(self) -> Child:
        """The running JVM."""
        if self._child is None:
            raise RuntimeError("Kafka is not started")
        return self._child

    @property
    def bootstrap(self) -> str:
        """The operator's door: whoever comes here may do everything, and needs no name."""
        return f"{HOST}:{self.port}"

    @property
    def clients(self) -> str:
        """The door for everybody else: by name and password, and each to what is theirs."""
        return f"{HOST}:{self.clients_port}"

    async def start(self) -> None:
        """Start the broker and wait until it answers.

        Raises: MissingPart; children.ChildEnded; TimeoutError.
        """
        await fetch_jars(self._cache, self._download_log)
        await children.end_strangers_in(self._folder, SIGTERM)
        properties = self._folder / "server.properties"
        properties.write_text("".join(f"{key}={value}\n" for key, value in self._properties().items()))
        if not (self._folder / "data" / "meta.properties").exists():
            await self._format(properties)
        self._child = children.start(
            "Kafka",
            ["java", *JVM, "-cp", self._classpath, f"-Dlog4j2.configurationFile={LOG4J}", "kafka.Kafka", str(properties)],
            log=self._log,
            environment=children.environment(),
            when_we_die=SIGTERM,
            folder=self._folder,
        )
        await answers(self.bootstrap, insist=self.child.insist)

    async def stop(self) -> None:
        """Clean shutdown. Stopping twice is harmless."""
        if self._child is not None:
            await self._child.stop(SIGTERM)

    async def _format(self, properties: Path) -> None:
        cluster = ["-t", "Z2F0ZWhvdXNlLWRldi0wMQ", "-c", str(properties), "--standalone"]
        await children.run(
            "Kafka's storage tool",
            ["java", *JVM, "-cp", self._classpath, "kafka.tools.StorageTool", "format", *cluster],
            log=self._log,
            environment=children.environment(),
            deadline_s=FORMAT_DEADLINE_S,
        )

    def _properties(self) -> Mapping[str, object]:
        controller = f"{HOST}:{free_port()}"
        return {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.bootstrap.servers": controller,
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{self.bootstrap},CLIENTS://{self.clients},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap},CLIENTS://{self.clients}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CLIENTS:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            **scram_at("clients"),
            # Deny by default. Only the operator's door, which is this machine's own, knows nobody by name.
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "allow.everyone.if.no.acl.found": "false",
            "super.users": "User:ANONYMOUS",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": self._folder / "data",
            # Facts are kept for ever unless their topic says otherwise, and nobody makes a topic by misspelling one.
            "log.retention.ms": -1,
            "auto.create.topics.enable": "false",
            # One node cannot hold more than one copy of anything.
            "default.replication.factor": 1,
            "min.insync.replicas": 1,
            "offsets.topic.replication.factor": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
            # After a kill the broker may register again only when its old session is over: 9 s by default.
            "broker.session.timeout.ms": 3000,
            "broker.heartbeat.interval.ms": 500,
            # Small: few partitions of its own, few threads, and a cleaner that does not take a third of the heap.
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.num.partitions": 1,
            "share.coordinator.state.topic.num.partitions": 1,
            "num.network.threads": 2,
            "num.io.threads": 4,
            "background.threads": 4,
            "log.cleaner.dedupe.buffer.size": 8 * 1024 * 1024,
            "log.index.size.max.bytes": 1024 * 1024,
        }


async def answers(bootstrap: str, *, insist: Callable[[], None]) -> None:
    """Wait until a broker of the cluster answers. `insist` raises when none ever will. Raises: TimeoutError."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0, "reconnect.backoff.max.ms": 100})
    async with asyncio.timeout(START_DEADLINE_S):
        while True:
            insist()
            with suppress(KafkaException):
                if (await asyncio.to_thread(admin.list_topics, timeout=METADATA_TIMEOUT_S)).brokers:
                    return
            await asyncio.sleep(children.POLL_S)
