"""Nobody changes what he has not seen: a change may say of what it is made."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from contracts.rejection import Rejection

FORM = ("person_kind", "trade", "employer_credit_code", "origin_code", "arrival_date", "document", "name", "mobile")
"""What is shown of a form 进场预登记, by field of a form and of a row alike. The text of 出发地 is not: whoever puts it right may
pass over another's."""
FAMILY_FORM = ("accompanies", "relation", "document", "name", "mobile")
"""The same of 携带家属登记."""


class RegistrationHasChanged(Rejection):
    """Somebody else corrected it, withdrew it or registered anew."""

    code = "registration-has-changed"
    status = 412
    title_zh = "打开之后,登记信息已有变动,请核对后重新提交"
    title_en = "What is registered has changed since you read it"


def etag_of(shown: Any, fields: Sequence[str], state: str, declaration_version: int | None) -> str:
    """Another one wherever anything that is shown was put right. Texts are sealed, so it tells nothing of them, and is another
    one also where a number was put right of which everybody sees the same digits."""
    said = "\n".join(str(each) for each in (state, declaration_version, *(getattr(shown, field) for field in fields)))
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def require_seen(based_on: str | None, shown: Any, fields: Sequence[str], state: str, declaration_version: int | None) -> None:
    """`based_on`: what the change is made of. None: it does not say. Raises: RegistrationHasChanged."""
    if based_on not in (None, etag_of(shown, fields, state, declaration_version)):
        raise RegistrationHasChanged
