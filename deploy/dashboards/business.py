"""What the authority asks: who is expected, who went in, who may not, who was not measured; by station and district."""

from __future__ import annotations

from deploy.dashboards.panels import Bars, Lines, Number, Page, Query, Row
from deploy.dashboards.promql import rate


def today(happened: str, *labels: str) -> str:
    """A number of this day in Shanghai, of whichever worker tells most, summed by these labels."""
    by = f" by ({', '.join(labels)})" if labels else ""
    return f"sum{by} (max by (district, station) (gatehouse_{happened}_today))"


def now(what: str, label: str) -> str:
    """How many there are, likewise."""
    return f"sum by ({label}) (max by (district, station) (gatehouse_station_{what}))"


PAGE = Page(
    uid="gatehouse-business",
    title="Sites today",
    description="Days are those of Shanghai. Numbers of today are counted once a minute; reports every five.",
    rows=[
        Row(
            "Today",
            [
                Number("Pre-registered", Query(today("pre_registrations"))),
                Number("Entries", Query(today("entries"))),
                Number("Refused", Query(today("refusals"))),
                Number("Left", Query(today("exits"))),
                Number("Banned people", Query("sum(max by (disposition) (gatehouse_banned_people))")),
                Number("Without a report of today", Query("max(gatehouse_missing_reports)")),
            ],
        ),
        Row(
            "By district and station",
            [
                Bars(f"{title} by {label}", Query(f"topk(20, {asked(what, label)})", f"{{{{{label}}}}}"))
                for title, asked, what in (
                    ("Pre-registrations", today, "pre_registrations"),
                    ("Entries", today, "entries"),
                    ("Refusals", today, "refusals"),
                    ("Banned and still on site", now, "banned_on_site"),
                    ("Without a report of today", now, "missing_reports"),
                )
                for label in ("district", "station")
            ],
        ),
        Row(
            "Courses",
            [
                Lines("Entries and exits", [Query(today("entries"), "entries"), Query(today("exits"), "exits")]),
                Lines(
                    "Reports",
                    [
                        Query("max(gatehouse_followed_people)", "expected or on site"),
                        Query("max(gatehouse_missing_reports)", "without a report of today"),
                    ],
                ),
                Lines("Bans", [Query("max by (disposition) (gatehouse_banned_people)", "{{disposition}}")], stacked=True),
                Lines(
                    "Facts an hour",
                    [Query("sum by (type) (increase(gatehouse_events_appended_total[1h]))", "{{type}}")],
                ),
            ],
        ),
        Row(
            "Files",
            [
                Lines(
                    "Rows decided",
                    [Query(rate("gatehouse_import_rows_total", "kind, outcome"), "{{kind}} {{outcome}}")],
                    "ops",
                ),
                Lines("Files being worked on", [Query("max(gatehouse_imports_unfinished)", "files")]),
                Lines(
                    "Since the oldest of them was handed in",
                    [Query("max(gatehouse_import_oldest_unfinished_age_seconds)", "age")],
                    "s",
                ),
            ],
        ),
    ],
)
