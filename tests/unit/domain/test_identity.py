"""Accounts and sessions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from odeion.domain.identity.login_sessions import SESSION_LIFETIME, LoginSession
from odeion.domain.identity.users import Role, User, check_password_rules
from odeion.domain.shared.errors import Forbidden, Invalid, Unauthorized
from odeion.domain.shared.ids import UserId

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def session() -> LoginSession:
    return LoginSession.start(user_id=UserId(1), refresh_hash=b"1", user_agent="x", address="127.0.0.1", at=NOW)


def test_roles_include_those_below() -> None:
    ladder = [Role.VIEWER, Role.CURATOR, Role.MODERATOR, Role.ADMIN]
    for (above, one), (below, other) in product(enumerate(ladder), repeat=2):
        assert one.includes(other) is (above >= below)


@pytest.mark.parametrize("name", ["", "a b", "a/b", "x" * 65, "<script>", "a\n"])
def test_refuses_user_names_of_other_letters(name: str) -> None:
    with pytest.raises(Invalid):
        User.create(username=name, password_hash=None, role=Role.VIEWER, at=NOW)


@pytest.mark.parametrize("password", ["", "short", "x" * 257])
def test_refuses_passwords_too_short_or_too_long(password: str) -> None:
    with pytest.raises(Invalid):
        check_password_rules(password)


def test_a_locked_account_may_not_sign_in() -> None:
    user = User.create(username="mira", password_hash=None, role=Role.VIEWER, at=NOW)
    user.is_locked = True
    with pytest.raises(Forbidden):
        user.require_may_sign_in()


class TestRotate:
    def test_gives_the_next_token_and_a_longer_life(self) -> None:
        rotated = session()
        later = NOW + timedelta(days=3)
        assert rotated.rotate(presented_hash=b"1", next_hash=b"2", address="127.0.0.2", at=later)
        assert (rotated.refresh_hash, rotated.spent_refresh_hash) == (b"2", b"1")
        assert rotated.expires_at == later + SESSION_LIFETIME

    def test_a_spent_token_ends_the_session(self) -> None:
        stolen = session()
        stolen.rotate(presented_hash=b"1", next_hash=b"2", address="a", at=NOW)
        assert not stolen.rotate(presented_hash=b"1", next_hash=b"3", address="b", at=NOW)
        assert stolen.is_over(at=NOW)
        with pytest.raises(Unauthorized):
            stolen.rotate(presented_hash=b"2", next_hash=b"4", address="a", at=NOW)

    def test_refuses_after_its_time(self) -> None:
        with pytest.raises(Unauthorized):
            session().rotate(presented_hash=b"1", next_hash=b"2", address="a", at=NOW + SESSION_LIFETIME)
