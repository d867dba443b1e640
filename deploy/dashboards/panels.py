"""What dashboards are made of: a question as a title, and queries that answer it. One look for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from string import ascii_uppercase

from grafana_foundation_sdk.builders import bargauge, dashboard, stat, timeseries
from grafana_foundation_sdk.builders.common import ReduceDataOptions, VizLegendOptions
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.models.common import BarGaugeDisplayMode, LegendDisplayMode, LegendPlacement, VizOrientation
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, DataSourceRef, Threshold, ThresholdsMode

SOURCE = DataSourceRef(type_val="prometheus", uid="prometheus")
COLUMNS = 24
"""Of Grafana's grid."""


@dataclass(frozen=True)
class Query:
    """PromQL, and how its series are called: text with `{{label}}`."""

    expression: str
    legend: str = ""

    def target(self, letter: str) -> Dataquery:
        """`letter` names it within its panel."""
        return Dataquery().expr(self.expression).legend_format(self.legend or "__auto").ref_id(letter)


@dataclass(frozen=True)
class Lines:
    """A course over time."""

    title: str
    queries: Sequence[Query]
    unit: str = "short"
    """Grafana's name of it, such as `s` or `reqps`."""
    stacked: bool = False
    width: int = 12
    height: int = 8

    def panel(self) -> timeseries.Panel:
        legend = VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM).show_legend(True)
        panel = timeseries.Panel().title(self.title).datasource(SOURCE).unit(self.unit).min(0).legend(legend)
        panel = panel.fill_opacity(30 if self.stacked else 5).span(self.width).height(self.height)
        for letter, query in zip(ascii_uppercase, self.queries, strict=False):
            panel = panel.with_target(query.target(letter))
        return panel


@dataclass(frozen=True)
class Number:
    """One number of now. Red from `red_from` on."""

    title: str
    query: Query
    unit: str = "short"
    red_from: float | None = None
    width: int = 4
    height: int = 4

    def panel(self) -> stat.Panel:
        steps = [Threshold(color="green", value=None)]
        steps += [Threshold(color="red", value=self.red_from)] if self.red_from is not None else []
        panel = stat.Panel().title(self.title).datasource(SOURCE).unit(self.unit).span(self.width).height(self.height)
        panel = panel.thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
        panel = panel.reduce_options(ReduceDataOptions().calcs(["lastNotNull"]).values(False))
        return panel.with_target(self.query.target("A").instant())


@dataclass(frozen=True)
class Bars:
    """Numbers of now beside each other, the largest first."""

    title: str
    query: Query
    unit: str = "short"
    width: int = 12
    height: int = 10

    def panel(self) -> bargauge.Panel:
        panel = bargauge.Panel().title(self.title).datasource(SOURCE).unit(self.unit).span(self.width).height(self.height).min(0)
        panel = panel.orientation(VizOrientation.HORIZONTAL).display_mode(BarGaugeDisplayMode.BASIC)
        panel = panel.reduce_options(ReduceDataOptions().calcs(["lastNotNull"]).values(False))
        return panel.with_target(Query(f"sort_desc({self.query.expression})", self.query.legend).target("A").instant())


Panel = Lines | Number | Bars


@dataclass(frozen=True)
class Row:
    """Panels under a heading."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True)
class Page:
    """A dashboard."""

    uid: str
    """In its address, and the name of its file."""
    title: str
    description: str
    rows: Sequence[Row]
    variable: str | None = None
    """Name of a label of `up` whose values are chosen from, as `$name`."""
    more: Sequence[str] = field(default=("gatehouse",))
    """Tags."""

    def dashboard(self) -> dashboard.Dashboard:
        made = dashboard.Dashboard(self.title).uid(self.uid).description(self.description).tags(list(self.more)).readonly()
        made = made.time("now-1h", "now").refresh("10s").timezone("Asia/Shanghai").tooltip(DashboardCursorSync.CROSSHAIR)
        if self.variable:
            made = made.with_variable(
                dashboard.QueryVariable(self.variable)
                .label(self.variable)
                .datasource(SOURCE)
                .query(f'label_values(up{{job="gatehouse"}}, {self.variable})')
            )
        numbers = count(1)
        for row in self.rows:
            made = made.with_row(dashboard.Row(row.title).id(next(numbers)))
            for panel in row.panels:
                made = made.with_panel(panel.panel().id(next(numbers)))
        return made
