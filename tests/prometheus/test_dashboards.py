"""Dashboards that open, with queries that Prometheus understands."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.prometheus.dashboards import DASHBOARDS, GRAFANA, expressions, panels
from tests.prometheus.promtool import Promtool

each_dashboard = pytest.mark.parametrize("name", DASHBOARDS)


@each_dashboard
async def test_asks_what_prometheus_understands(name: str, promtool: Promtool) -> None:
    assert "" == await promtool.complaints_of_expressions(expressions(DASHBOARDS[name]))


async def test_a_query_that_is_wrong_is_noticed(promtool: Promtool) -> None:
    assert "parse error" in await promtool.complaints_of_expressions({"wrong": "sum by service (up)"})


@each_dashboard
def test_asks_the_source_that_is_provided(name: str) -> None:
    [source] = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "gatehouse.yml").read_text())["datasources"]
    assert {source["uid"]} == {panel["datasource"]["uid"] for panel in panels(DASHBOARDS[name])}


@each_dashboard
def test_says_what_each_panel_shows_once_and_side_by_side(name: str) -> None:
    found = list(panels(DASHBOARDS[name]))
    assert all(panel["title"] and panel["targets"] for panel in found)
    assert len({panel["title"] for panel in found}) == len(found)
    taken = [cell for panel in found for cell in cells(panel["gridPos"])]
    assert len(taken) == len(set(taken)), "one panel lies on another"


@each_dashboard
def test_gives_each_panel_a_number_of_its_own(name: str) -> None:
    top = DASHBOARDS[name]["panels"]
    numbers = [panel["id"] for panel in (*top, *(inner for row in top for inner in row.get("panels") or ()))]
    assert sorted(set(numbers)) == sorted(numbers)


def cells(place: dict[str, Any]) -> list[tuple[int, int]]:
    """Of Grafana's grid, which is 24 wide."""
    assert place["x"] + place["w"] <= 24
    return [(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])]


def test_have_names_of_their_own() -> None:
    assert (
        len(DASHBOARDS)
        == len({each["uid"] for each in DASHBOARDS.values()})
        == len({each["title"] for each in DASHBOARDS.values()})
    )
    assert all(name == each["uid"] for name, each in DASHBOARDS.items())
