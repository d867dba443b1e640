"""What registration relies on of a declaration in Health Cloud, and what is refused where it cannot."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.healthcloud_bridge import DeclarationReceived
from contracts.registration import PinnedDeclaration
from contracts.rejection import Rejection
from contracts.sealing import Sealed


@dataclass(frozen=True, slots=True)
class Declaration:
    """One version of what a person declared. The sealed parts open under the person's own key, as they are."""

    pinned: PinnedDeclaration
    name_fingerprint: str
    mobile: Sealed | None

    @property
    def version(self) -> int:
        return self.pinned.version


def declaration_of(event: DeclarationReceived) -> Declaration:
    """The part of a declaration that a pre-registration carries on, for health and police."""
    return Declaration(
        pinned=PinnedDeclaration(
            version=event.declaration_version,
            reported_on=event.reported_on,
            departed_on=event.departed_on,
            from_hubei=event.from_hubei,
            from_wuhan=event.from_wuhan,
            stopover=event.stopover,
            stopover_code=event.stopover_code,
            temperature_celsius=event.temperature_celsius,
            travel=event.travel,
            stay_address=event.stay_address,
        ),
        name_fingerprint=event.name_fingerprint,
        mobile=event.mobile,
    )


class DeclarationIsMissing(Rejection):
    """Nobody is expected without a declaration in Health Cloud (manual, (三) 2).

    Never raised here: that somebody asked is a fact (`DeclarationAwaited`), and the API answers with this.
    """

    code = "declaration-missing"
    title_zh = "请先去“健康云 APP”进行登记后再进行预进场登记"
    title_en = "Declare in the Health Cloud app first, then pre-register"


class DeclarationHasChanged(Rejection):
    """What is pinned is what the registrar saw; another version may say something else about the journey."""

    code = "declaration-has-changed"
    title_zh = "这不是最新的健康云登记,请重新获取健康云信息"
    title_en = "This is not the latest declaration; fetch it again"


class NameDiffersFromDeclaration(Rejection):
    """Document and name must be the same person's in both places."""

    code = "name-differs-from-declaration"
    title_zh = "姓名与“健康云”登记不一致"
    title_en = "The name is not the one in the Health Cloud declaration"


class MobileIsMissing(Rejection):
    """The mobile comes from the declaration, and is typed where that has none (manual, (三) 2)."""

    code = "mobile-is-missing"
    title_zh = "“健康云”未登记手机号,请填写手机号"
    title_en = "The declaration has no mobile number: type it"
