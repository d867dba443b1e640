"""The symptoms of a health report (manual, (四) 每日健康登记) and the way a temperature is measured."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated

from pydantic import AfterValidator, Field

from contracts.invalid import Flaw, InvalidValue


class Symptom(StrEnum):
    """The catalogue, in the order of the form."""

    FEVER = "fever"
    COUGH = "cough"
    RUNNY_NOSE = "runny_nose"
    SORE_THROAT = "sore_throat"
    EXPECTORATION = "expectoration"
    CHEST_PAIN = "chest_pain"
    MYALGIA = "myalgia"
    SHORTNESS_OF_BREATH = "shortness_of_breath"
    DIARRHOEA = "diarrhoea"
    NONE = "none"


SYMPTOM_LABELS: Mapping[Symptom, str] = MappingProxyType(
    {
        Symptom.FEVER: "发热",
        Symptom.COUGH: "咳嗽",
        Symptom.RUNNY_NOSE: "流涕",
        Symptom.SORE_THROAT: "咽痛",
        # The manual's form has 咳嗽 here a second time. Forms like it have 咳痰 in this place; ours follows them.
        Symptom.EXPECTORATION: "咳痰",
        Symptom.CHEST_PAIN: "胸痛",
        Symptom.MYALGIA: "肌肉酸痛/关节痛",
        Symptom.SHORTNESS_OF_BREATH: "气促",
        Symptom.DIARRHOEA: "腹泻",
        Symptom.NONE: "无上述异常症状",
    }
)
"""What the form prints beside each box."""


def _consistent(symptoms: tuple[Symptom, ...]) -> tuple[Symptom, ...]:
    if len(set(symptoms)) != len(symptoms):
        raise InvalidValue(Flaw.SYMPTOM_REPEATED)
    if Symptom.NONE in symptoms and len(symptoms) > 1:
        raise InvalidValue(Flaw.SYMPTOM_NONE_EXCLUDES)
    return symptoms


Symptoms = Annotated[tuple[Symptom, ...], AfterValidator(_consistent), Field(max_length=len(Symptom))]
"""What was ticked, each at most once; `none` only alone. Empty where nobody was asked, as at a turnstile."""


class TemperatureMethod(StrEnum):
    """Where a temperature was taken."""

    AXILLARY = "axillary"  # 腋下
    FOREHEAD = "forehead"  # 额温
