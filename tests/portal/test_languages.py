"""Every text that a user reads is there in both languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.extract import extract
from babel.messages.pofile import read_po

import portal
import portal.labels
from portal.languages import CATALOGUES, CHINESE, ENGLISH, languages

HERE = Path(portal.__file__).parent
KEYWORDS = {"_": None}
PLACEHOLDER = re.compile(r"%\((\w+)\)s")


def texts() -> Iterator[tuple[str, str]]:
    """File and text of whatever is marked, in code and templates."""
    for file in sorted([*HERE.rglob("*.py"), *HERE.rglob("*.html")]):
        method = "python" if file.suffix == ".py" else "jinja2.ext:babel_extract"
        options = {} if file.suffix == ".py" else {"newstyle_gettext": "true", "trimmed": "true"}
        with file.open("rb") as content:
            for _, message, _, _ in extract(method, content, KEYWORDS, options=options):
                yield str(file.relative_to(HERE)), str(message)


TEXTS = sorted(set(texts()))
FROM_CONTRACTS = {
    label
    for labels in (portal.labels.SYMPTOMS, portal.labels.TRADE_NAMES, portal.labels.DISTRICT_NAMES)
    for label in labels.values()
}


class TestEnglish:
    ENGLISH = languages()[ENGLISH].texts

    @pytest.mark.parametrize("text", sorted({text for _, text in TEXTS} | FROM_CONTRACTS))
    def test_has_every_text(self, text: str) -> None:
        assert text in self.ENGLISH
        assert not re.search(
            r"[\u4e00-\u9fff]",
            re.sub(r"[“「].*?[”」]|健康云|上海|抗击新型冠状病毒防控服务专栏|来沪人员健康登记", "", self.ENGLISH[text]),
        )

    @pytest.mark.parametrize("text", sorted({text for _, text in TEXTS}))
    def test_fills_in_the_same(self, text: str) -> None:
        assert set(PLACEHOLDER.findall(text)) == set(PLACEHOLDER.findall(self.ENGLISH[text]))

    def test_has_no_text_that_nobody_shows(self) -> None:
        assert set() == self.ENGLISH.keys() - {text for _, text in TEXTS} - FROM_CONTRACTS

    @pytest.mark.parametrize("catalogue", sorted(CATALOGUES.glob("*.po")), ids=lambda file: file.name)
    def test_is_a_catalogue_without_fuzzy_guesses(self, catalogue: Path) -> None:
        with catalogue.open("rb") as file:
            assert [] == [each.id for each in read_po(file) if each.fuzzy and each.id]


def test_chinese_is_what_stands_in_templates_and_code() -> None:
    assert {} == languages()[CHINESE].texts


@pytest.mark.parametrize("template", sorted(HERE.rglob("*.html")), ids=lambda file: file.name)
def test_a_template_marks_every_text(template: Path) -> None:
    """Chinese outside of `_("…")` would be Chinese for everybody."""
    bare = re.sub(r"\{#.*?#\}|\{\{.*?\}\}|\{%.*?%\}|>简体中文<", "", template.read_text(), flags=re.DOTALL)
    assert not re.search(r"[\u4e00-\u9fff]", bare)
