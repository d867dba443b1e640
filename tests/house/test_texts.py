"""What no file of the repository says."""

from __future__ import annotations

import re

from tests.house.house import REPOSITORY, named, texts

HERE = named(REPOSITORY / "tests" / "house" / "test_texts.py")

REGISTRIES = {
    "org": (
        "pypi",
        "pythonhosted",
        "registry.npmjs",
        "repo.maven",
        "repo1.maven",
        "repo.maven.apache",
        "repo1.maven.apache",
        "proxy.golang",
    ),
    "io": ("crates", "registry-1.docker"),
}
REGISTRY = re.compile(
    "|".join(re.escape(f"{name}.{domain}") for domain, names in REGISTRIES.items() for name in names)
    + "|(extra-)?index-url|find-links|trusted-host"
)
"""Where packages come from is the machine's business: behind a mirror, a name that is written down does not resolve."""
PLACE = re.compile(r"(?<![\w.~)}\]-])/(home|root|Users|work|mnt|workspace)/[\w.]")
"""A folder of one machine."""
ORIGIN = re.compile(r"helper session|language model|\bas requested\b|\b(TODO|FIXME)\b")
"""How a file came about, or what somebody means to do one day: that is for the commit and the issue."""


class TestNoFile:
    def test_names_a_package_registry(self) -> None:
        assert [] == mentions(REGISTRY)

    def test_names_a_place_on_one_machine(self) -> None:
        assert [] == mentions(PLACE)

    def test_tells_how_it_came_about(self) -> None:
        assert [] == mentions(ORIGIN)


def mentions(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{file}:{number} {found[0]}"
        for file, text in texts()
        if file != HERE
        for number, line in enumerate(text.splitlines(), 1)
        if (found := pattern.search(line))
    ]
