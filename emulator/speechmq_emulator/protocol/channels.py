"""The channels of one session: how much audio of each has come, was taken and has ended."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from speechmq_emulator.protocol.errors import ErrorType, Refusal
from speechmq_emulator.protocol.outputs import Channel


@dataclass(slots=True)
class ChannelState:
    """One channel's counts of chunks, and how far it is.

    ``ended`` by the client; ``finished``: the engine has been told that no more comes;
    ``engine_ended``: it has nothing more to report.
    """

    received: int = 0
    taken: int = 0
    ignored: int = 0
    audio_bytes: int = 0
    started: bool = False
    ended: bool = False
    finished: bool = False
    engine_ended: bool = False

    @property
    def sent(self) -> int:
        """Chunks that the client sent before it ended the channel."""
        return self.received + self.ignored

    @property
    def acknowledged(self) -> int:
        return self.taken + self.ignored


class Channels:
    """All channels of a session in the order of their labels; one named None for mono."""

    def __init__(self, names: Iterable[Channel]) -> None:
        self._states = {name: ChannelState() for name in names}

    def __iter__(self) -> Iterator[Channel]:
        return iter(self._states)

    def __getitem__(self, name: Channel) -> ChannelState:
        return self._states[name]

    @property
    def named(self) -> bool:
        return None not in self._states

    @property
    def open(self) -> list[Channel]:
        return [name for name, state in self._states.items() if not state.ended]

    @property
    def unfinished(self) -> list[Channel]:
        return [name for name, state in self._states.items() if not state.finished]

    @property
    def all_started(self) -> bool:
        return all(state.started for state in self._states.values())

    @property
    def all_engines_ended(self) -> bool:
        return all(state.engine_ended for state in self._states.values())

    @property
    def longest(self) -> int:
        """Bytes of the channel of which most audio has come."""
        return max((state.audio_bytes for state in self._states.values()), default=0)

    @property
    def sent(self) -> int:
        return sum(state.sent for state in self._states.values())

    @property
    def untaken(self) -> bool:
        """Whether the engine has still chunks to take."""
        return any(state.taken < state.received for state in self._states.values())

    def find(self, name: Channel, message: str) -> ChannelState:
        """The channel that a message names (None: it names none).

        Raises:
            Refusal: the session has no such channel, or the message does not fit its kind.
        """
        if name in self._states:
            return self._states[name]
        if name is None:
            wanted = f"{message} names no channel, but this session has {self._listed}"
        elif not self.named:
            wanted = f"{message}.channel is {name[:80]!r}, but this session has no channels"
        else:
            wanted = f"{message}.channel is {name[:80]!r}, but this session has {self._listed}"
        raise Refusal(ErrorType.PROTOCOL_ERROR, wanted)

    @property
    def _listed(self) -> str:
        return ", ".join(repr(name) for name in self._states)


def wrong_count(message: str, told: int, came: int, unit: str) -> Refusal:
    """An end that names another number of chunks than came."""
    reason = f"{message}.last_seq_no is {told}, but {came} chunks came; "
    reason += f"it must be the number of {unit} sent"
    return Refusal(ErrorType.PROTOCOL_ERROR, reason)
