"""What `kubectl kustomize` makes of `deploy/kubernetes`: the part of it that is used there, for tests without a cluster.

Names that it adds a digest to are left as they are written, and files of secrets, which are not in the repository, are named and
not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

Resource = dict[str, Any]

UNDERSTOOD = {*("apiVersion", "kind", "namespace", "resources", "images", "patches", "configMapGenerator", "secretGenerator")}
MERGED_BY = {"containers": "name", "volumes": "name", "env": "name", "volumeMounts": "mountPath", "ports": "containerPort"}
"""Lists of a pod whose elements are merged by a key. Others are replaced."""


def rendered(folder: Path) -> list[Resource]:
    """All resources, in the order in which they are named. Raises: ValueError for what this does not understand."""
    told = yaml.safe_load((folder / "kustomization.yaml").read_text())
    if unknown := told.keys() - UNDERSTOOD:
        raise ValueError(f"not understood: {unknown}")
    resources = [each for file in told["resources"] for each in yaml.safe_load_all((folder / file).read_text())]
    for patch in told["patches"]:
        for resource in resources:
            if _is_meant(patch["target"], resource):
                _apply(patch, resource, folder)
    resources += [*_config_maps(told, folder), *_secrets(told)]
    tags = {image["name"]: image["newTag"] for image in told["images"]}
    for resource in resources:
        if resource["kind"] != "Namespace":
            resource["metadata"]["namespace"] = told["namespace"]
        for container in containers(resource):
            container["image"] = f"{container['image']}:{tags[container['image']]}"
    return resources


def containers(resource: Resource) -> list[dict[str, Any]]:
    """Of a Deployment or a Job; none of anything else."""
    found: list[dict[str, Any]] = pod(resource).get("containers", [])
    return found


def pod(resource: Resource) -> dict[str, Any]:
    """The pod that a Deployment or a Job makes; empty for anything else."""
    found: dict[str, Any] = resource.get("spec", {}).get("template", {}).get("spec", {})
    return found


def _is_meant(target: Mapping[str, str], resource: Resource) -> bool:
    said = {"kind": resource["kind"], "name": resource["metadata"]["name"]}
    return all(re.fullmatch(pattern, said[part]) for part, pattern in target.items())


def _apply(patch: Mapping[str, Any], resource: Resource, folder: Path) -> None:
    if "path" in patch:
        said = yaml.safe_load((folder / patch["path"]).read_text())
        metadata = {key: value for key, value in said["metadata"].items() if key != "name"}
        _merge(resource, {"metadata": metadata, "spec": said["spec"]})
        return
    for step in yaml.safe_load(patch["patch"]):
        if step["op"] != "replace":
            raise ValueError(f"not understood: {step}")
        *way, last = step["path"].strip("/").split("/")
        place: Any = resource
        for part in way:
            place = place[int(part)] if isinstance(place, list) else place[part]
        place[last] = step["value"]


def _merge(into: dict[str, Any], patch: Mapping[str, Any]) -> None:
    for key, value in patch.items():
        if isinstance(value, dict):
            _merge(into.setdefault(key, {}), value)
        elif key in MERGED_BY:
            _merge_by(MERGED_BY[key], into.setdefault(key, []), value)
        else:
            into[key] = value


def _merge_by(key: str, into: list[dict[str, Any]], patches: list[dict[str, Any]]) -> None:
    known = {element[key]: element for element in into}
    for patch in patches:
        if patch[key] not in known:
            into.append(known.setdefault(patch[key], {}))
        _merge(known[patch[key]], patch)


def _config_maps(told: Mapping[str, Any], folder: Path) -> Iterator[Resource]:
    for each in told["configMapGenerator"]:
        data = dict(literal.split("=", 1) for literal in each.get("literals", ()))
        data |= {Path(file).name: (folder / file).read_text() for file in each.get("files", ())}
        yield {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": each["name"]}, "data": data}


def _secrets(told: Mapping[str, Any]) -> Iterator[Resource]:
    """Each with the path of its file in place of what is in it."""
    for each in told["secretGenerator"]:
        data = dict(file.split("=", 1) for file in each["files"])
        yield {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": each["name"]}, "type": "Opaque", "stringData": data}
