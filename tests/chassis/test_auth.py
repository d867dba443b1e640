"""Tokens: which ones count, how keys are fetched, and what happens while the portal is away."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey

from chassis import auth
from chassis.auth import CLOCKS_DIFFER_S_MAX, Authenticator, Principal, covers_contract, issue_token, public_keys
from chassis.faults import NotFound, Unauthenticated, Unavailable
from chassis.probes import NotReady
from contracts.access import Role

KEY = OKPKey.generate_key("Ed25519", private=True, auto_kid=True)
OTHER_KEY = OKPKey.generate_key("Ed25519", private=True, auto_kid=True)
NOW = datetime(2020, 2, 3, 2, 0, tzinfo=UTC)
OPERATOR = Principal(
    "operator-1",
    Role.SITE_OPERATOR,
    contracts=frozenset({"W2019010100011"}),
    stations=frozenset({"虹口"}),
    districts=frozenset({"310109"}),
    employer_credit_code="91310000123456789X",
)


class Portal:
    """The issuer, as the authenticator meets it over HTTP."""

    def __init__(self) -> None:
        self.keys = [KEY]
        self.answer: httpx2.Response | Exception | None = None
        self.asked = 0

    def __call__(self, _request: httpx2.Request) -> httpx2.Response:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer or httpx2.Response(200, json=public_keys(*self.keys))


class StoppedClock:
    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime:
        return self.time


@pytest.fixture
def portal() -> Portal:
    return Portal()


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def authenticator(portal: Portal, clock: StoppedClock, monkeypatch: pytest.MonkeyPatch) -> Authenticator:
    monkeypatch.setattr(auth, "FETCH_PAUSE_S", 0.0)
    return Authenticator("http://portal/jwks", clock=clock, transport=httpx2.MockTransport(portal))


def token(*, key: OKPKey = KEY, at: datetime = NOW, principal: Principal = OPERATOR) -> str:
    return issue_token(principal, key=key, now=at)


def claims(**changed: Any) -> dict[str, Any]:
    """What a good token says, but for what is changed; None leaves the claim out."""
    seconds = int(NOW.timestamp())
    good = {
        "iss": "gatehouse-portal",
        "aud": "gatehouse",
        "sub": "x",
        "iat": seconds,
        "exp": seconds + 50,
        "jti": "1",
        "role": "ops",
    }
    return {name: value for name, value in (good | changed).items() if value is not None}


def signed(said: dict[str, Any], *, key: Any = KEY, **header: Any) -> str:
    return jwt.encode({"alg": "Ed25519", "kid": KEY.kid, **header}, said, key, algorithms=["Ed25519", "HS256"])


def unsigned(said: dict[str, Any]) -> str:
    parts = ({"alg": "none", "kid": KEY.kid}, said)
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts) + "."


class TestToken:
    async def test_tells_who_asks(self, authenticator: Authenticator) -> None:
        assert OPERATOR == await authenticator.authenticate(token())

    async def test_does_not_count_before_its_issue_by_a_clock_that_was_set_back(
        self, authenticator: Authenticator, clock: StoppedClock
    ) -> None:
        remembered = token()
        await authenticator.authenticate(remembered)
        clock.time = NOW - timedelta(seconds=CLOCKS_DIFFER_S_MAX + 1)
        for given in (remembered, token(at=NOW)):
            with pytest.raises(Unauthenticated):
                await authenticator.authenticate(given)

    async def test_ends_within_a_minute_of_its_issue(self, authenticator: Authenticator, clock: StoppedClock) -> None:
        given = token()
        clock.time = NOW + timedelta(seconds=49)
        await authenticator.authenticate(given)
        clock.time = NOW + timedelta(seconds=50)
        with pytest.raises(Unauthenticated):
            await authenticator.authenticate(given)

    @pytest.mark.parametrize(
        "given",
        [
            "",
            "x",
            "a.b.c",
            "....",
            "é.è.ê",
            "x" * 5_000,
            token(key=OTHER_KEY),
            token()[:-4] + "AAAA",
            token().rsplit(".", 1)[0] + ".",
            signed(claims(iss="somebody")),
            signed(claims(iss=None)),
            signed(claims(aud="another")),
            signed(claims(aud=["gatehouse", "another"])),
            signed(claims(aud=None)),
            signed(claims(exp=None)),
            signed(claims(exp=int(NOW.timestamp()))),
            signed(claims(exp="soon")),
            signed(claims(role="emperor")),
            signed(claims(role=None)),
            signed(claims(sub="")),
            signed(claims(contracts="W2019010100011")),
            signed(claims(), key=OctKey.import_key("a shared secret that is long enough"), alg="HS256"),
            signed(claims(), key=OctKey.import_key(str(KEY.as_dict(private=False)["x"])), alg="HS256"),
            unsigned(claims()),
            signed(claims(), kid=""),
            signed(claims(), kid=OTHER_KEY.kid),
        ],
    )
    async def test_does_not_count(self, authenticator: Authenticator, given: str) -> None:
        with pytest.raises(Unauthenticated):
            await authenticator.authenticate(given)

    async def test_is_verified_once(self, authenticator: Authenticator, monkeypatch: pytest.MonkeyPatch) -> None:
        given = token()
        await authenticator.authenticate(given)
        monkeypatch.setattr(jwt, "decode", None)
        assert OPERATOR == await authenticator.authenticate(given)

    async def test_is_forgotten_when_there_are_too_many(
        self, authenticator: Authenticator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(auth, "TOKENS_REMEMBERED_MAX", 3)
        for n in range(10):
            await authenticator.authenticate(token(principal=Principal(f"s-{n}", Role.OPS)))
        assert 3 == len(authenticator._verified)


class TestKeys:
    async def test_are_fetched_when_first_needed(self, authenticator: Authenticator, portal: Portal) -> None:
        assert 0 == portal.asked
        await authenticator.authenticate(token())
        await authenticator.authenticate(token(principal=Principal("another", Role.OPS)))
        assert 1 == portal.asked

    async def test_are_fetched_again_for_a_new_one(self, authenticator: Authenticator, portal: Portal) -> None:
        await authenticator.authenticate(token())
        portal.keys = [KEY, OTHER_KEY]
        assert OPERATOR == await authenticator.authenticate(token(key=OTHER_KEY))

    async def test_are_not_fetched_for_every_stranger(
        self, authenticator: Authenticator, portal: Portal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(auth, "FETCH_PAUSE_S", 60.0)
        await authenticator.authenticate(token())
        for _ in range(5):
            with pytest.raises(Unauthenticated):
                await authenticator.authenticate(token(key=OTHER_KEY))
        assert 1 == portal.asked

    @pytest.mark.parametrize(
        "away",
        [
            httpx2.ConnectError("refused"),
            httpx2.ReadTimeout("slow"),
            httpx2.Response(500),
            httpx2.Response(200, content=b"not json"),
            httpx2.Response(200, json={"keys": []}),
            httpx2.Response(200, json={"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": "!"}]}),
        ],
    )
    async def test_go_on_counting_while_the_portal_is_away(
        self, authenticator: Authenticator, portal: Portal, away: httpx2.Response | Exception
    ) -> None:
        await authenticator.authenticate(token())
        portal.answer = away
        with pytest.raises(Unauthenticated):
            await authenticator.authenticate(token(key=OTHER_KEY))
        assert 2 == portal.asked
        assert Role.OPS is (await authenticator.authenticate(signed(claims()))).role

    async def test_of_which_none_were_ever_fetched_is_unavailable(self, authenticator: Authenticator, portal: Portal) -> None:
        portal.answer = httpx2.ConnectError("refused")
        with pytest.raises(NotReady, match="no-token-keys"):
            await authenticator.check()
        with pytest.raises(Unavailable):
            await authenticator.authenticate(token())

    async def test_are_fetched_by_the_readiness_check(self, authenticator: Authenticator, portal: Portal) -> None:
        await authenticator.check()
        await authenticator.check()
        assert 1 == portal.asked

    async def test_that_were_taken_back_count_no_more(
        self, authenticator: Authenticator, portal: Portal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given = token()
        await authenticator.authenticate(given)
        portal.keys = [OTHER_KEY]
        with pytest.raises(Unauthenticated):
            await authenticator.authenticate(token(key=OKPKey.generate_key("Ed25519", private=True, auto_kid=True)))
        with pytest.raises(Unauthenticated):
            await authenticator.authenticate(given)

    async def test_are_fetched_once_for_many_who_wait(self, authenticator: Authenticator, portal: Portal) -> None:
        tokens = [token(principal=Principal(f"s-{n}", Role.OPS)) for n in range(20)]
        await asyncio.gather(*map(authenticator.authenticate, tokens))
        assert 1 == portal.asked

    def test_are_published_without_their_private_part(self) -> None:
        (published,) = public_keys(KEY)["keys"]
        assert {"kty", "crv", "x", "kid", "use", "alg"} == published.keys()


class TestCoversContract:
    def test_returns_for_the_callers_own(self) -> None:
        covers_contract(OPERATOR, "W2019010100011")

    def test_hides_everybody_elses(self) -> None:
        with pytest.raises(NotFound):
            covers_contract(OPERATOR, "W2017050130174", station_name="虹口", district="310109")

    def test_asks_for_the_station_where_the_role_is_drawn_by_it(self) -> None:
        officer = Principal("officer-1", Role.STATION_OFFICER, stations=frozenset({"虹口"}))
        covers_contract(officer, "W2019010100011", station_name="虹口")
        with pytest.raises(NotFound):
            covers_contract(officer, "W2019010100011")
