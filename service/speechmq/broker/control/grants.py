"""What a publisher may ask for, by its RabbitMQ user. Pure.

The user is that of the property ``user_id``, which RabbitMQ checks. A request without it is made by
a user without a name, which has what every user has.
"""

from __future__ import annotations

from speechmq_schemas import ContractError, CreateTemporaryKey, FieldError, StartStream

from ...settings import LimitsSettings
from ...settings.limits import EVERYBODY, UserSettings

NOTHING = UserSettings()


class Grants:
    def __init__(self, limits: LimitsSettings) -> None:
        self._limits = limits
        self._prefixes = {one.stream_prefix for one in limits.users.values()} - {""}

    def _of(self, user: str | None) -> UserSettings:
        users = self._limits.users
        return users.get(user or "") or users.get(EVERYBODY) or NOTHING

    def may_name(self, user: str | None, stream_id: str) -> bool:
        """Whether the stream may be the user's. A prefix that a user has is no other user's."""
        own = self._of(user).stream_prefix
        if own:
            return stream_id.startswith(own)
        return not stream_id.startswith(tuple(self._prefixes))

    def require_start(self, user: str | None, start: StartStream) -> None:
        """Raises ``ContractError`` for a start that the user may not have."""
        if not self.may_name(user, start.stream_id):
            reason = f"streams of this name are not the user {user!r}'s to start"
            raise _refused("StartStream", "id_not_allowed", "stream_id", reason)
        most = self._limits.idle_timeout
        if start.idle_timeout is not None and start.idle_timeout > most:
            reason = f"it may be {most:g} s at most; see SPEECHMQ_LIMITS__IDLE_TIMEOUT"
            raise _refused("StartStream", "idle_timeout_too_long", "idle_timeout", reason)

    def require_key(self, user: str | None, request: CreateTemporaryKey, credential: str) -> None:
        """Raises ``ContractError`` for a key that the user may not have."""
        granted = self._of(user)
        if credential not in granted.key_credentials:
            reason = (
                f"the user {user!r} may have no temporary key of {credential!r}; "
                "see SPEECHMQ_LIMITS__USERS, and set the AMQP property user_id"
            )
            raise _refused("CreateTemporaryKey", "key_not_allowed", "credential", reason)
        if request.ttl > granted.key_ttl:
            reason = f"it may be {granted.key_ttl} s at most; see SPEECHMQ_LIMITS__USERS"
            raise _refused("CreateTemporaryKey", "ttl_too_long", "ttl", reason)


def _refused(message: str, code: str, path: str, reason: str) -> ContractError:
    return ContractError(
        code, f"{message} cannot be served: {path}: {reason}", [FieldError(path, reason)]
    )
