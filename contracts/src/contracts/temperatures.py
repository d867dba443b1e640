"""Body temperatures, in °C."""

from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from contracts.invalid import Flaw, InvalidValue

CELSIUS_MIN = 30.0
CELSIUS_MAX = 45.0
"""Outside of these a thermometer did not measure a living person: refused as a typing mistake."""


def parse_measured(celsius: float) -> float:
    """A temperature that a thermometer may have shown: 30.0–45.0 °C in steps of 0.1. Raises: InvalidValue."""
    if not CELSIUS_MIN <= celsius <= CELSIUS_MAX:  # Written so that NaN is refused as well.
        raise InvalidValue(Flaw.TEMPERATURE_RANGE)
    if celsius != round(celsius, 1):
        raise InvalidValue(Flaw.TEMPERATURE_STEP)
    return celsius


MeasuredCelsius = Annotated[
    float,
    AfterValidator(parse_measured),
    # The step is left to words: a validator that divides binary fractions would find that 37.3 is no multiple of 0.1.
    WithJsonSchema({"type": "number", "minimum": CELSIUS_MIN, "maximum": CELSIUS_MAX}),
]
"""A temperature that somebody or something measured, °C, 30.0–45.0 in steps of 0.1."""
