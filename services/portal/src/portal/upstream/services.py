"""All services for one caller."""

from __future__ import annotations

from dataclasses import dataclass

from portal.upstream.ban_reviews import BanReviews
from portal.upstream.calls import Caller, Calls
from portal.upstream.gatekeeper import Gatekeeper
from portal.upstream.health import Health
from portal.upstream.healthcloud import HealthCloud
from portal.upstream.imports import Imports
from portal.upstream.open_work import OpenWork
from portal.upstream.operations import Operations
from portal.upstream.operator_grants import OperatorGrants
from portal.upstream.policies import Policies
from portal.upstream.registration import Registration
from portal.upstream.reporting import Reporting
from portal.upstream.review_items import Reviews
from portal.upstream.site_information import SiteInformation


@dataclass(frozen=True)
class Services:
    calls: Calls
    caller: Caller

    @property
    def registration(self) -> Registration:
        return Registration(self.calls, self.caller)

    @property
    def reviews(self) -> Reviews:
        return Reviews(self.calls, self.caller)

    @property
    def open_work(self) -> OpenWork:
        return OpenWork(self.calls, self.caller)

    @property
    def operator_grants(self) -> OperatorGrants:
        return OperatorGrants(self.calls, self.caller)

    @property
    def site_information(self) -> SiteInformation:
        return SiteInformation(self.calls, self.caller)

    @property
    def healthcloud(self) -> HealthCloud:
        return HealthCloud(self.calls, self.caller)

    @property
    def imports(self) -> Imports:
        return Imports(self.calls, self.caller)

    @property
    def policies(self) -> Policies:
        return Policies(self.calls, self.caller)

    @property
    def health(self) -> Health:
        return Health(self.calls, self.caller)

    @property
    def ban_reviews(self) -> BanReviews:
        return BanReviews(self.calls, self.caller)

    @property
    def gatekeeper(self) -> Gatekeeper:
        return Gatekeeper(self.calls, self.caller)

    @property
    def reporting(self) -> Reporting:
        return Reporting(self.calls, self.caller)

    @property
    def operations(self) -> Operations:
        return Operations(self.calls, self.caller)
