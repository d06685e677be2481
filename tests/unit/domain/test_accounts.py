"""What may be done to accounts, who may invite whom, and what devices are called."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odeion.domain.identity.codes import ALPHABET, grouped, typed
from odeion.domain.identity.devices import device_name
from odeion.domain.identity.invites import Invite, InviteState, may_invite
from odeion.domain.identity.login_sessions import LoginSession
from odeion.domain.identity.users import Role, User
from odeion.domain.shared.errors import Forbidden, Invalid
from odeion.domain.shared.ids import UserId

NOW = datetime(2026, 1, 2, tzinfo=UTC)
SOMEBODY_ELSE = UserId(2)
SAFARI = "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1"
CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"


def user(role: Role = Role.ADMIN) -> User:
    made = User.create(username="mira", password_hash="old", role=role, at=NOW)
    made.id = UserId(1)
    return made


class TestUser:
    def test_others_change_role_lock_and_password(self) -> None:
        changed = user()
        changed.assign_role(Role.VIEWER, by=SOMEBODY_ELSE)
        changed.lock(by=SOMEBODY_ELSE)
        changed.replace_password("new", by=SOMEBODY_ELSE)
        assert (changed.role, changed.is_locked, changed.password_hash) == (Role.VIEWER, True, "new")
        changed.unlock(by=SOMEBODY_ELSE)
        assert not changed.is_locked

    def test_nobody_changes_their_own(self) -> None:
        own = user()
        changes: list[Callable[[], None]] = [
            lambda: own.assign_role(Role.VIEWER, by=UserId(1)),
            lambda: own.lock(by=UserId(1)),
            lambda: own.unlock(by=UserId(1)),
            lambda: own.replace_password("new", by=UserId(1)),
        ]
        for change in changes:
            with pytest.raises(Forbidden):
                change()
        assert (own.role, own.is_locked, own.password_hash) == (Role.ADMIN, False, "old")

    def test_a_new_user_name_is_shown_where_no_other_was_chosen(self) -> None:
        plain, named = user(), user()
        named.display_name = "Mira"
        for renamed in (plain, named):
            renamed.rename("miriam")
        assert (plain.display_name, named.display_name) == ("miriam", "Mira")

    def test_refuses_a_new_user_name_of_other_letters(self) -> None:
        with pytest.raises(Invalid):
            user().rename("a b")


class TestInvite:
    @pytest.mark.parametrize("invited", list(Role))
    def test_moderators_invite_those_below_and_others_nobody(self, invited: Role) -> None:
        assert may_invite(Role.ADMIN, invited)
        assert may_invite(Role.MODERATOR, invited) is (invited in (Role.VIEWER, Role.CURATOR))
        assert not may_invite(Role.CURATOR, invited) and not may_invite(Role.VIEWER, invited)

    def invite(self, maker: User, max_uses: int | None = 1, expires_at: datetime | None = None) -> Invite:
        return Invite.create(
            maker=maker,
            code_hash=b"",
            sealed_code=b"",
            role=Role.CURATOR,
            max_uses=max_uses,
            expires_at=expires_at,
            at=NOW,
        )

    def test_is_open_until_it_is_used_up_or_expires(self) -> None:
        bounded = self.invite(user(), max_uses=2, expires_at=NOW + timedelta(hours=1))
        assert bounded.state(at=NOW) is InviteState.OPEN
        assert bounded.state(at=NOW + timedelta(hours=1)) is InviteState.EXPIRED
        bounded.uses = 2
        assert bounded.state(at=NOW) is InviteState.USED_UP
        endless = self.invite(user(), max_uses=None)
        endless.uses = 10**6
        assert endless.state(at=NOW + timedelta(days=10**4)) is InviteState.OPEN

    def test_is_worth_no_more_than_its_maker(self) -> None:
        made = self.invite(user(Role.MODERATOR))
        assert made.is_backed_by(user(Role.MODERATOR))
        assert not made.is_backed_by(user(Role.CURATOR))
        locked = user(Role.MODERATOR)
        locked.lock(by=SOMEBODY_ELSE)
        assert not made.is_backed_by(locked)

    def test_is_not_made_by_who_may_not(self) -> None:
        with pytest.raises(Forbidden):
            self.invite(user(Role.CURATOR))


class TestCodes:
    def test_no_letter_is_taken_for_another(self) -> None:
        assert len(set(ALPHABET)) == 32 and not set("01IO") & set(ALPHABET)

    @given(st.text(ALPHABET, min_size=1, max_size=20))
    def test_what_is_shown_can_be_typed_in_small_letters(self, code: str) -> None:
        assert typed(f" {grouped(code).lower()}\n") == code


class TestDeviceName:
    @pytest.mark.parametrize(
        ("user_agent", "name"),
        [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0", "Firefox on Linux"),
            (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME}", "Chrome on Windows"),
            (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} Edg/140.0.0.0", "Edge on Windows"),
            (f"Mozilla/5.0 (Linux; Android 10; K) {CHROME}", "Chrome on Android"),
            (f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) {SAFARI}", "Safari on iPhone"),
            ("Mozilla/5.0 (iPad; CPU OS 18_0 like Mac OS X) CriOS/140.0 Safari/604.1", "Chrome on iPad"),
            ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/18.0 Safari/605.1.15", "Safari on Mac"),
            ("Mozilla/5.0 (SMART-TV; Linux; Tizen 6.0) AppleWebKit/537.36 Version/6.0 TV", "Samsung TV"),
            ("curl/8.5.0", "curl"),
            ("Odeion TV/1.2 (Android 14)", "Odeion TV on Android"),
            ("Mozilla/5.0", "Unknown device"),
            ("", "Unknown device"),
        ],
    )
    def test_is_in_plain_words(self, user_agent: str, name: str) -> None:
        assert device_name(user_agent) == name

    @given(st.text(max_size=400))
    def test_is_short_and_of_one_line_whatever_a_client_says(self, user_agent: str) -> None:
        name = device_name(user_agent)
        assert 0 < len(name) <= 80 and name.isprintable()

    def test_gives_way_to_what_its_owner_called_it(self) -> None:
        made = LoginSession.start(
            user_id=UserId(1), refresh_hash=b"", user_agent="curl/8.5.0", address="::1", at=NOW, device_name="Kitchen"
        )
        assert made.device == "Kitchen"
