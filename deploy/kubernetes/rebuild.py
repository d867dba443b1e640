"""Makes a Job that rebuilds a read model: the service's worker once more, with what its migration is told besides.

`kubectl get deployment/reporting-worker job/reporting-migrate --output json | python3 deploy/kubernetes/rebuild.py NAME [OPTION …]`
needs nothing but Python, and prints the Job for `kubectl create --filename -` (docs/runbooks/rebuild.md).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

PROBES = ("startupProbe", "livenessProbe", "readinessProbe", "ports")
"""Of a process that stays: nobody asks a job how it is."""


def job(worker: Mapping[str, Any], migration: Mapping[str, Any], arguments: Sequence[str]) -> dict[str, Any]:
    """A Job that runs `rebuild` with these arguments once, and is not tried again: whoever started it reads how it ended."""
    template, owner = (each["spec"]["template"] for each in (worker, migration))
    [process] = template["spec"]["containers"]
    [migrates] = owner["spec"]["containers"]
    service = worker["metadata"]["name"].removesuffix("-worker")
    container = {name: value for name, value in process.items() if name not in PROBES}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"generateName": f"{service}-rebuild-", "namespace": worker["metadata"]["namespace"]},
        "spec": {
            "backoffLimit": 0,
            "template": {
                "metadata": {"labels": {**template["metadata"]["labels"], "role": "rebuild"}},
                "spec": {
                    **template["spec"],
                    "restartPolicy": "Never",
                    "containers": [
                        {**container, "args": ["rebuild", *arguments], "envFrom": [*process["envFrom"], *migrates["envFrom"]]}
                    ],
                    "volumes": _volumes(template["spec"]["volumes"], owner["spec"]["volumes"]),
                },
            },
        },
    }


def _volumes(of_worker: Sequence[Mapping[str, Any]], of_migration: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those of the worker, the secrets of both in one."""
    names = [each["secret"]["secretName"] for volumes in (of_worker, of_migration) for each in volumes if "secret" in each]
    both = {"name": "secrets", "projected": {"sources": [{"secret": {"name": name}} for name in names]}}
    return [both if each["name"] == "secrets" else each for each in of_worker]


def main() -> None:
    found = {each["kind"]: each for each in json.load(sys.stdin)["items"]}
    json.dump(job(found["Deployment"], found["Job"], sys.argv[1:]), sys.stdout, indent=1)


if __name__ == "__main__":
    main()
