"""简体中文 as it is written in templates and code, and its English catalogues, read when the portal starts: nothing is compiled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from babel.messages.pofile import read_po

CATALOGUES = Path(__file__).parent / "locales"
CHINESE, ENGLISH = "zh-CN", "en"
LANGUAGES = (CHINESE, ENGLISH)


def _(text: str) -> str:
    """Marks a text to be translated where it is shown."""
    return text


@dataclass(frozen=True)
class Language:
    code: str
    """As in `lang=…`."""
    texts: Mapping[str, str]
    """Chinese → this language. Empty for Chinese itself."""

    def gettext(self, text: str) -> str:
        """The text itself where there is no translation; a test sees to it that there is one."""
        return self.texts.get(text, text)

    def ngettext(self, one: str, many: str, count: int) -> str:
        """Chinese has no plural, and our English avoids it."""
        return self.gettext(one if count == 1 else many)


def languages() -> Mapping[str, Language]:
    """All of them, by code."""
    english: dict[str, str] = {}
    for catalogue in sorted(CATALOGUES.glob("en*.po")):
        with catalogue.open("rb") as file:
            english |= {str(each.id): str(each.string) for each in read_po(file, locale="en") if each.id and each.string}
    return {CHINESE: Language(CHINESE, {}), ENGLISH: Language(ENGLISH, english)}
