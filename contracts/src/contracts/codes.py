"""Shapes of the small codes that events carry. Which codes exist is said where they are given out."""

from typing import Annotated

from pydantic import Field, StringConstraints

Code = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
"""A word of our own for machines, such as `stopover_unknown`. Readers tolerate codes that they do not know."""

RegionCode = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{5}$")]
"""GB/T 2260: two digits each for province, city and county. Only the shape is checked: the table changes every year."""

PolicyVersion = Annotated[int, Field(ge=1)]
"""Version of the policy set that a judgement rested on, from 1."""

Account = Annotated[str, Field(min_length=1, max_length=256)]
"""Who did something: the subject of the token. It names an account of ours, never a person."""

DeclarationVersion = Annotated[int, Field(ge=1)]
"""Which of a person's declarations in Health Cloud, in the order in which they reached us, from 1."""
