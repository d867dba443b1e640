"""What the image of each service holds, as CycloneDX 1.6: `make sbom` writes `dist/sbom/<service>.cdx.json`.

Names, versions, hashes and who needs whom come from `requirements.lock`, as the image installs them (`deploy/needed.py`);
licences from what is installed here; what the portal's pages load, from `static/vendor/`. The same tree gives the same bytes, and
no place where packages come from. What the base image holds is for whoever makes that to tell.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageMetadata, metadata
from pathlib import Path
from typing import Any

from deploy.needed import closure, declared, pins, wanted_by

REPOSITORY = Path(__file__).parents[1]
SHARED = (REPOSITORY / "contracts", REPOSITORY / "chassis")
SERVICES = sorted(each for each in (REPOSITORY / "services").iterdir() if (each / "pyproject.toml").exists())
VERSION = re.compile(r"==([^ ]+)")
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
VENDORED = re.compile(r"([a-z]+)-(\d+(?:\.\d+)+)\.")


def bill(service: Path, *, version: str) -> Mapping[str, Any]:
    """The document of one service's image, whose `version` is its tag."""
    lock = pins((REPOSITORY / "requirements.lock").read_text())
    wanted = declared([*SHARED, service])
    needed = sorted(closure(wanted, lock))
    vendored = [_vendored(file) for file in sorted(service.rglob("static/vendor/*.js"))]
    image = {"type": "container", "bom-ref": service.name, "name": f"gatehouse/{service.name}", "version": version}
    wants = {service.name: sorted([*wanted, *(each["bom-ref"] for each in vendored)])}
    wants |= {name: [other for other in needed if name in wanted_by(lock[other])] for name in needed}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {**image, "licenses": [{"expression": "Apache-2.0"}]}},
        "components": [*(_distribution(name, lock[name]) for name in needed), *vendored],
        "dependencies": [{"ref": name, "dependsOn": others} for name, others in wants.items()],
    }


def _distribution(name: str, entry: str) -> Mapping[str, Any]:
    """A pin. Each of its hashes is of one file that may have been installed: the lock takes any of them."""
    version = VERSION.findall(entry)[0]
    return {
        "type": "library",
        "bom-ref": name,
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{name}@{version}",
        "hashes": [{"alg": "SHA-256", "content": digest} for digest in HASH.findall(entry)],
        "licenses": _licences(metadata(name)),
    }


def _licences(said: PackageMetadata) -> Sequence[Mapping[str, Any]]:
    """As the distribution says itself: an expression, classifiers, or a name."""
    if expressions := said.get_all("License-Expression", []):
        return [{"expression": expressions[0]}]
    classifiers = [each.rpartition(" :: ")[2] for each in said.get_all("Classifier", []) if each.startswith("License ::")]
    names = classifiers or [each.partition("\n")[0] for each in said.get_all("License", ["unknown"])]
    return [{"license": {"name": name}} for name in names]


def _vendored(file: Path) -> dict[str, Any]:
    """A file of somebody else's, whose licence lies beside it."""
    name, version = VENDORED.findall(file.name)[0]
    licence = file.with_name(f"{name}-{version}.LICENSE").read_text()
    return {
        "type": "library",
        "bom-ref": file.name,
        "name": name,
        "version": version,
        "licenses": [{"license": {"name": f"{name} {version}", "text": {"content": licence}}}],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--version", default="0.1.0", help="the images' tag")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    for service in SERVICES:
        document = json.dumps(bill(service, version=given.version), ensure_ascii=False, indent=1) + "\n"
        (given.folder / f"{service.name}.cdx.json").write_text(document, encoding="utf-8")


if __name__ == "__main__":
    main()
