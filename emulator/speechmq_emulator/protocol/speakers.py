"""Answers about voices, put together from all channels of a session.

``SpeakersResult`` has no channel, so one question has one answer: what each channel tells,
in the order of the channels. A label of one channel says nothing about another's.
"""

from collections.abc import Iterable

from speechmq_emulator.protocol.outputs import Channel
from speechmq_emulator.speech.events import Speakers, SpeakerVoices


class SpeakerRounds:
    """Questions under way, oldest first, and what channels told unasked at their end."""

    def __init__(self) -> None:
        self.wanted_at_the_end = False
        self._rounds: list[dict[Channel, Speakers | None]] = []
        self._final: dict[Channel, Speakers] = {}

    def ask(self, channels: Iterable[Channel]) -> None:
        """A client asks; each of these channels will answer once."""
        self._rounds.append(dict.fromkeys(channels))

    def answer(self, channel: Channel, speakers: Speakers) -> tuple[SpeakerVoices, ...] | None:
        """The voices of all channels, if this was the last of them to answer the question."""
        if speakers.final:
            self._final[channel] = speakers
            return None
        for index, asked in enumerate(self._rounds):
            if channel in asked and asked[channel] is None:
                asked[channel] = speakers
                if None in asked.values():
                    return None
                del self._rounds[index]
                return _voices(asked.values())
        raise RuntimeError(f"speakers came unasked from channel {channel!r}")

    def at_the_end(self, channels: Iterable[Channel]) -> tuple[SpeakerVoices, ...]:
        """What all channels told at their end."""
        return _voices(self._final.get(channel) for channel in channels)


def _voices(answers: Iterable[Speakers | None]) -> tuple[SpeakerVoices, ...]:
    return tuple(voice for told in answers if told is not None for voice in told.speakers)
