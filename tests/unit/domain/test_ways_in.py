"""Providers, second factors, and what is left to sign in with."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odeion.application.shared.links import Links
from odeion.domain.identity.oauth import (
    Provider,
    ProviderIdentity,
    ProviderKind,
    check_providers,
    require_return_path,
)
from odeion.domain.identity.second_factors import Totp, WaysIn
from odeion.domain.shared.errors import BadRequest, Conflict, Invalid
from odeion.domain.shared.ids import UserId

NOW = datetime(2026, 1, 2, tzinfo=UTC)

HOME = Provider(
    key="home",
    kind=ProviderKind.OIDC,
    display_name="Home",
    enabled=True,
    client_id="odeion",
    issuer="https://id.example.test",
)


class TestReturnPath:
    @pytest.mark.parametrize("path", ["/", "/films", "/films/7?a=b&c=d", "/a//b", "/%2f%2fevil.test"])
    def test_paths_of_ours(self, path: str) -> None:
        assert require_return_path(path) == path

    @given(st.text(max_size=20))
    def test_what_is_let_through_begins_with_one_slash(self, path: str) -> None:
        try:
            require_return_path(path)
        except BadRequest:
            return
        assert path.startswith("/") and path[1:2] not in ("/", "\\") and path.isascii() and path.isprintable()

    @pytest.mark.parametrize("path", ["", "//a", "/\\a", "\\/a", "a", "https://a", "/a\n", "/a b", "/" + "a" * 500])
    def test_refuses_the_others(self, path: str) -> None:
        with pytest.raises(BadRequest):
            require_return_path(path)


class TestProviders:
    def test_an_issuer_may_do_without_a_secret(self) -> None:
        check_providers([HOME])

    def test_a_draft_may_lack_anything(self) -> None:
        check_providers([replace(HOME, enabled=False, client_id="", issuer=None)])

    @pytest.mark.parametrize("kind", [ProviderKind.GOOGLE, ProviderKind.GITHUB, ProviderKind.DISCORD])
    def test_a_service_needs_a_secret(self, kind: ProviderKind) -> None:
        service = replace(HOME, key=kind.value, kind=kind, issuer=None)
        assert service.missing == ["client_secret"]
        with pytest.raises(Invalid):
            check_providers([service])
        check_providers([replace(service, sealed_secret=b"x")])

    def test_apple_needs_its_key_or_native_apps(self) -> None:
        apple = replace(HOME, key="apple", kind=ProviderKind.APPLE, issuer=None)
        assert apple.missing == ["client_secret", "team_id", "key_id"]
        assert replace(apple, client_id="", native_client_ids=("app",)).missing == []

    def test_plain_http_needs_the_word_that_it_is_local(self) -> None:
        plain = replace(HOME, issuer="http://id.lan")
        with pytest.raises(Invalid):
            check_providers([plain])
        check_providers([replace(plain, allow_private_network=True)])

    @pytest.mark.parametrize("key", ["", "Home", "a b", "-a", "a" * 33, "google", "../x"])
    def test_refuses_keys_that_are_none(self, key: str) -> None:
        with pytest.raises(Invalid):
            check_providers([replace(HOME, key=key)])

    def test_two_issuers_may_stand_side_by_side(self) -> None:
        check_providers([HOME, replace(HOME, key="work", issuer="https://work.example.test")])

    @pytest.mark.parametrize(
        ("changed", "keeps"),
        [
            (replace(HOME, display_name="Casa", enabled=False), True),
            (replace(HOME, issuer="https://evil.test"), False),
            (replace(HOME, client_id="another"), False),
            (replace(HOME, kind=ProviderKind.APPLE), False),
        ],
    )
    def test_a_secret_is_kept_for_the_same_place_only(self, changed: Provider, keeps: bool) -> None:
        assert changed.keeps_secret_of(HOME) is keeps


class TestSuggestedUsername:
    @pytest.mark.parametrize(
        ("display_name", "email", "suggested"),
        [
            ("Mira Nowak", None, "mira-nowak"),
            (None, "mira@example.test", "mira"),
            ("mira", "other@example.test", "mira"),
            (" <b>x</b> ", None, "b-x-b"),
            (None, None, ""),
            ("x" * 100, None, "x" * 64),
        ],
    )
    def test_is_a_name_to_begin_with(self, display_name: str | None, email: str | None, suggested: str) -> None:
        identity = ProviderIdentity(provider="p", issuer="i", subject="s", email=email, display_name=display_name)
        assert identity.suggested_username == suggested
        assert ProviderIdentity.from_json(identity.as_json()) == identity


class TestTotp:
    def totp(self) -> Totp:
        return Totp(user_id=UserId(1), sealed_secret=b"x", created_at=NOW)

    def test_no_step_is_good_twice_and_none_before_it(self) -> None:
        used = self.totp()
        assert used.use(7)
        assert [used.use(step) for step in (7, 6, 8, 8)] == [False, False, True, False]

    def test_is_confirmed_once(self) -> None:
        made = self.totp()
        made.confirm(at=NOW)
        assert made.confirmed_at == NOW
        with pytest.raises(Conflict):
            made.confirm(at=NOW)


class TestWaysIn:
    @pytest.mark.parametrize(
        ("has_password", "passkeys", "identities"), [(True, 1, 0), (True, 0, 1), (False, 2, 0), (False, 1, 1)]
    )
    def test_one_of_several_may_go(self, has_password: bool, passkeys: int, identities: int) -> None:
        WaysIn(has_password=has_password, passkeys=passkeys, identities=identities).require_another()

    @pytest.mark.parametrize(("passkeys", "identities"), [(1, 0), (0, 1)])
    def test_the_last_one_stays(self, passkeys: int, identities: int) -> None:
        with pytest.raises(Conflict):
            WaysIn(has_password=False, passkeys=passkeys, identities=identities).require_another()


class TestLinks:
    @pytest.mark.parametrize(
        ("base_url", "origin", "host"),
        [
            ("https://Media.Example.test", "https://media.example.test", "media.example.test"),
            ("https://media.example.test:443", "https://media.example.test", "media.example.test"),
            ("http://localhost:8096", "http://localhost:8096", "localhost"),
            ("http://[::1]:80", "http://[::1]", "::1"),
        ],
    )
    def test_the_origin_is_as_browsers_write_it(self, base_url: str, origin: str, host: str) -> None:
        assert (Links(base_url).origin, Links(base_url).host) == (origin, host)

    def test_there_is_none_without_a_base_url(self) -> None:
        with pytest.raises(Conflict):
            _ = Links(None).origin
        with pytest.raises(Conflict):
            _ = Links(None).host
