"""Templates to HTML: languages, times, and the headers of every page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.responses import HTMLResponse

from contracts.times import SHANGHAI
from portal import labels
from portal.languages import Language, languages
from portal.upstream.registration import Employer

HERE = Path(__file__).parent
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    # Not no-referrer: browsers would then send forms with `Origin: null`.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
"""Beside those that `chassis.edge` gives every answer: no-store and nosniff."""


class Renderer:
    """Templates in every language."""

    def __init__(self, **everywhere: Any) -> None:
        """`everywhere` is what every template may say, such as the consultation line."""
        self.languages = languages()
        self._environments = {code: _environment(language, everywhere) for code, language in self.languages.items()}

    def page(self, template: str, *, language: str, status: int, context: Mapping[str, Any]) -> HTMLResponse:
        html = self._environments[language].get_template(template).render(context)
        return HTMLResponse(html, status_code=status, headers=HEADERS)


def _environment(language: Language, everywhere: Mapping[str, Any]) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.install_gettext_callables(language.gettext, language.ngettext, newstyle=True)  # type: ignore[attr-defined]
    environment.globals.update(
        everywhere,
        lang=language.code,
        labels=labels,
        new_key=lambda: str(uuid4()),
        ui_options=lambda of: [(code, language.gettext(words)) for code, words in of.items()],
        ui_employers=_employer_options,
    )
    environment.filters.update(
        time=shanghai_time,
        day=shanghai_day,
        label=partial(_label, language),
    )
    return environment


def _label(language: Language, code: str | None, of: Mapping[str, str]) -> str:
    return language.gettext(labels.label_of(of, code))


def _employer_options(employers: Sequence[Employer]) -> list[tuple[str, str]]:
    """用人单位 to choose from, with the number of its own where it has one."""
    return [(each.credit_code, f"{each.name}({each.sub_contract_no})" if each.sub_contract_no else each.name) for each in employers]


def shanghai_time(moment: datetime | None) -> str:
    """As the manual writes it: `2020-02-18 15:44:35`, in Shanghai."""
    return "—" if moment is None else f"{moment.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}"


def shanghai_day(day: date | None) -> str:
    return "—" if day is None else day.isoformat()
