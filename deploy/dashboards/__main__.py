"""`python -m deploy.dashboards [--check]`: write the dashboards, or say which committed one is not what would be written."""

from __future__ import annotations

import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.dashboards import business, event_way, gate, police, service

FOLDER = Path(__file__).parents[1] / "grafana" / "dashboards"
PAGES = (event_way.PAGE, service.PAGE, gate.PAGE, business.PAGE, police.PAGE)


def written() -> dict[Path, str]:
    """File → content, of every dashboard."""
    encoder = JSONEncoder(sort_keys=True, indent=2, ensure_ascii=False)
    return {FOLDER / f"{page.uid}.json": encoder.encode(page.dashboard().build()) + "\n" for page in PAGES}


def main() -> int:
    """The exit code."""
    files = written()
    if sys.argv[1:] != ["--check"]:
        for file in FOLDER.glob("*.json"):
            file.unlink()
        for file, content in files.items():
            file.write_text(content)
        return 0
    there = {file: file.read_text() for file in FOLDER.glob("*.json")}
    stale = sorted(file.name for file in files.keys() | there.keys() if files.get(file) != there.get(file))
    if stale:
        print(f"python -m deploy.dashboards would write otherwise: {', '.join(stale)}", file=sys.stderr)
    return len(stale) and 1


if __name__ == "__main__":
    sys.exit(main())
