"""One channel from bytes to what the client is told: audio -> samples -> words -> writing.

Both engines run this, with a recogniser of their own: in-process (ledger) or in a process
for each channel (sphinx). Synchronous and without a clock.
"""

from collections.abc import Callable, Sequence

from speechmq_emulator.audio import FILE_RATE, FileReader, RawReader, Samples, Undecodable
from speechmq_emulator.protocol.config import RawAudio, StartRecognition, TranscriptionConfig
from speechmq_emulator.protocol.errors import ErrorType
from speechmq_emulator.speech.events import Failed, Heard, Speakers
from speechmq_emulator.speech.filtering import VolumeFilter
from speechmq_emulator.speech.recogniser import Recogniser
from speechmq_emulator.speech.replacements import BadReplacement
from speechmq_emulator.speech.translation import Translations
from speechmq_emulator.speech.writing import Writing

MakeRecogniser = Callable[[StartRecognition, int], Recogniser]
"""Takes the session's start and the rate in Hz of the samples that it will be fed."""

FAULTS = (Undecodable, BadReplacement)
"""What the client can do wrong that shows only now; ``failed`` says how it is told."""


def failed(fault: Undecodable | BadReplacement) -> Failed:
    is_audio = isinstance(fault, Undecodable)
    return Failed(
        str(fault), ErrorType.INVALID_AUDIO_TYPE if is_audio else ErrorType.INVALID_CONFIG
    )


class Channel:
    """``rate`` is None for the recogniser's samples at the rate in which they were sent.

    The translations that ``start`` asks for are those that are offered: that is the
    protocol's to check.

    Raises:
        BadReplacement: a replacement's pattern is malformed, or (from any method) takes too
            long on a word.
    """

    def __init__(
        self, start: StartRecognition, make_recogniser: MakeRecogniser, *, rate: int | None = None
    ) -> None:
        audio = start.audio_format
        self._reader: RawReader | FileReader
        if isinstance(audio, RawAudio):
            self._rate = rate or audio.sample_rate
            self._reader = RawReader(audio.encoding, audio.sample_rate, self._rate)
        else:
            self._rate = rate or FILE_RATE
            self._reader = FileReader(self._rate)
        self._received = 0
        self._writing = Writing(start.transcription_config)
        self._volumes = self._volume_filter(start.transcription_config)
        self._translations = _translations(start)
        self._recogniser = make_recogniser(start, self._rate)
        self._tells_speakers = start.transcription_config.tells_speakers

    def begin(self) -> list[Heard]:
        """What there is to say before the first chunk."""
        return self._told(self._recogniser.begin())

    def feed(self, audio: bytes) -> list[Heard]:
        """Any number of bytes, which need not end with a sample.

        Raises:
            Undecodable: what was sent as a file is none that can be read.
        """
        return self._told(self._hear(self._reader.read(audio)))

    def end_utterance(self, at: float | None) -> list[Heard]:
        """``at`` in seconds; None for all that has been fed."""
        return self._told(self._recogniser.end_utterance(at))

    def configure(self, config: TranscriptionConfig) -> list[Heard]:
        """Go on with this configuration, of the same language."""
        self._recogniser.configure(config)
        self._writing.configure(config)
        if self._volumes is None or "audio_filtering_config" not in config.model_fields_set:
            self._volumes = self._volume_filter(config)
        else:
            self._volumes.threshold = config.audio_filtering_config.volume_threshold
        return []

    def tell_speakers(self) -> list[Heard]:
        """The voices told apart so far."""
        return [Speakers(self._recogniser.speakers())]

    def last_speakers(self) -> list[Heard]:
        """What is told of voices behind the last final, unasked; nothing where none are."""
        return [Speakers(self._recogniser.speakers(), final=True)] if self._tells_speakers else []

    def finish(self) -> list[Heard]:
        """No more audio comes. Raises ``Undecodable`` as ``feed`` does."""
        heard = self._hear(self._reader.finish())
        heard = [*heard, *self._recogniser.finish(self._received / self._rate)]
        return self._told(heard, last=True)

    def _hear(self, samples: Samples) -> list[Heard]:
        if not len(samples):
            return []
        self._received += len(samples)
        if self._volumes is not None:
            self._volumes.listen(samples)
        return self._recogniser.feed(samples)

    def _told(self, heard: Sequence[Heard], *, last: bool = False) -> list[Heard]:
        if not heard and not last:
            return []
        if self._volumes is not None:
            heard = self._volumes.apply(heard)
        written = self._writing.write(heard, last=last)
        if self._translations is None:
            return written
        return self._translations.follow(written, last=last)

    def _volume_filter(self, config: TranscriptionConfig) -> VolumeFilter | None:
        if "audio_filtering_config" not in config.model_fields_set:
            return None
        threshold = config.audio_filtering_config.volume_threshold
        return VolumeFilter(self._rate, threshold, self._received)


def _translations(start: StartRecognition) -> Translations | None:
    wanted = start.translation_config
    if wanted is None or not wanted.target_languages:
        return None
    targets = tuple(dict.fromkeys(wanted.target_languages))
    return Translations(targets, partials=wanted.enable_partials)
