"""One session of the protocol, from the handshake to the close, as a state machine.

Inputs are what a client sent, what the engine reported, and the time; outputs are messages,
work for the engine, and the close: no sockets, no clock. ``states`` has the table.
"""

from datetime import datetime
from typing import assert_never

from speechmq_emulator.protocol import replies, requests
from speechmq_emulator.protocol.channels import Channels, ChannelState, wrong_count
from speechmq_emulator.protocol.config import RawAudio, StartRecognition, TranscriptionConfig
from speechmq_emulator.protocol.deadlines import Deadlines
from speechmq_emulator.protocol.errors import (
    CLOSE_NORMALLY,
    ErrorType,
    Refusal,
    WarningType,
    close_code,
)
from speechmq_emulator.protocol.languages import language_pack
from speechmq_emulator.protocol.limits import DEFAULTS, Limits
from speechmq_emulator.protocol.outputs import (
    Channel,
    Close,
    ConfigureEngine,
    EndUtterance,
    FeedEngine,
    FinishEngine,
    OpenEngine,
    Output,
    Send,
    TellSpeakers,
)
from speechmq_emulator.protocol.replies import Message, Report
from speechmq_emulator.protocol.results import Rendering
from speechmq_emulator.protocol.speakers import SpeakerRounds
from speechmq_emulator.protocol.start import (
    Offer,
    channels_of,
    check_start,
    rendering_of,
    serveable,
)
from speechmq_emulator.protocol.states import FROM_CLIENT, TRANSITIONS, Input, State
from speechmq_emulator.speech.events import ChunkTaken, Ended, EngineEvent, Failed, Speakers

__all__ = ["Close", "Output", "Send", "Session", "State"]


class Session:
    """The server's side of one connection.

    Times are seconds by the caller's clock. ``tick`` comes before every other input, and
    when ``deadline`` has come.
    """

    def __init__(
        self, session_id: str, offer: Offer, limits: Limits = DEFAULTS, *, now: float = 0.0
    ) -> None:
        self.id = session_id
        self.state = State.AWAITING_START
        self.channels = Channels([])
        self._offer = offer
        self._limits = limits
        self._now = now
        self._start_by = now + limits.start_timeout
        self._deadlines = Deadlines(limits)
        self._config = TranscriptionConfig(language="en")
        self._raw_audio: RawAudio | None = None
        self._rendering = Rendering(language="en")
        self._speakers = SpeakerRounds()
        self._opening: list[Message] = []  # to be heard when the engine has started

    @property
    def deadline(self) -> float | None:
        """When ``tick`` is due at the latest; None while nothing is waited for."""
        if self.state is State.AWAITING_START:
            return self._start_by
        if self.state in {State.STARTING, State.CLOSED}:
            return None
        return self._deadlines.next(listening=self._listening)

    @property
    def audio_seconds(self) -> float | None:
        """Seconds of audio that have come, in the longest channel; None for a file's."""
        if self.state is State.AWAITING_START:
            return 0.0
        raw = self._raw_audio
        return None if raw is None else self.channels.longest / raw.bytes_per_second

    def tick(self, now: float) -> list[Output]:
        """It is ``now``: warn of the limits that come near, end at one that is reached."""
        self._now = now
        if self.deadline is None or now < self.deadline:
            return []
        if self.state is State.AWAITING_START:
            reason = "No StartRecognition came; send it right behind the handshake"
            return self._out_of_time(Refusal(ErrorType.IDLE_TIMEOUT, reason))
        outputs: list[Output] = []
        for due in self._deadlines.due(now, listening=self._listening):
            outputs += self._out_of_time(due) if isinstance(due, Refusal) else [Send(due)]
        return outputs

    def connected(self, *, usage: int, quota: int, at: datetime) -> list[Output]:
        """The handshake is done: tell the client how much of its quota it uses."""
        return [Send(replies.usage_info(usage=usage, quota=quota, at=at))]

    def pinged(self) -> None:
        """A ping or a pong has come from the client."""
        self._deadlines.contact(self._now)

    def receive(self, message: str | bytes) -> list[Output]:
        """Take one message from the client; text is a request, bytes are audio."""
        if self.state is State.CLOSED:
            return []
        try:
            if isinstance(message, bytes):
                return self._audio(message, None, Input.ADD_AUDIO)
            return self._text(message)
        except Refusal as refusal:
            return self._refuse(refusal)

    def engine_started(self, channel: Channel = None) -> list[Output]:
        """The engine is ready for this channel's audio."""
        if self.state is State.CLOSED:
            return []
        self.channels[channel].started = True
        if not self.channels.all_started:
            return []
        self._move(Input.ENGINE_STARTED)
        self._deadlines.started(self._now)
        return [*map(Send, self._opening)]

    def refused(self, refusal: Refusal) -> list[Output]:
        """The server or its engine can not go on with this session."""
        return [] if self.state is State.CLOSED else self._refuse(refusal)

    def recognised(self, event: EngineEvent, channel: Channel = None) -> list[Output]:
        """Take one report of the engine about a channel."""
        if self.state is State.CLOSED:
            return []
        match event:
            case ChunkTaken():
                return self._chunk_taken(channel)
            case Ended():
                return self._channel_ended(channel)
            case Failed(reason, kind):
                self._move(Input.ENGINE_FAILED)
                return self._refuse(Refusal(kind, reason))
            case Speakers():
                return self._told_speakers(event, channel)
            case _:
                return self._report(event, channel)

    def _text(self, text: str) -> list[Output]:  # noqa: PLR0911  # one for each message
        request = requests.parse(text)
        match request:
            case requests.AddChannelAudio(channel=channel, data=audio):
                return self._audio(audio, channel, Input.ADD_CHANNEL_AUDIO)
            case StartRecognition():
                return self._start(request)
            case requests.EndOfChannel():
                return self._end_of_channel(request)
            case requests.EndOfStream():
                return self._end_of_stream(request)
            case requests.ForceEndOfUtterance():
                return self._force_end_of_utterance(request)
            case requests.GetSpeakers():
                return self._get_speakers(request)
            case requests.SetRecognitionConfig():
                return self._set_recognition_config(request)
            case _:
                assert_never(request)

    def _start(self, start: StartRecognition) -> list[Output]:
        self._move(Input.START_RECOGNITION)
        check_start(start, self._offer, self._limits.max_channels)
        start, warnings = serveable(start)
        config = self._config = start.transcription_config
        self._raw_audio = start.audio_format if isinstance(start.audio_format, RawAudio) else None
        self._speakers.wanted_at_the_end = config.speaker_diarization_config.get_speakers
        self.channels = Channels(channels_of(config))
        self._rendering = rendering_of(config)
        self._opening = [*self._started(), *warnings]
        return [OpenEngine(start, channel) for channel in self.channels]

    def _started(self) -> list[Message]:
        pack = language_pack(self._config.language)
        labels = self._config.channel_diarization_labels if self.channels.named else []
        messages = [replies.recognition_started(self.id, pack, self._offer.version, labels)]
        if self._limits.quality_info and self._raw_audio is not None:
            messages.append(replies.quality_info(self._raw_audio.sample_rate))
        return messages

    def _audio(self, audio: bytes, channel: Channel, cause: Input) -> list[Output]:
        self._move(cause)
        state = self.channels.find(channel, cause.value)
        self._deadlines.audio(self._now)
        if state.ended:
            end = "EndOfStream" if self.state is State.FINISHING else "EndOfChannel"
            reason = f"{cause.value} behind {end} is ignored"
            return [Send(replies.warning(WarningType.ADD_AUDIO_AFTER_EOS, reason))]
        if self.state is State.EXHAUSTED:
            return [self._ignore(state, channel)]
        if self._exceeds_duration(state, len(audio)):
            return self._exhaust(state, channel)
        state.received += 1
        state.audio_bytes += len(audio)
        return [FeedEngine(audio, channel)]

    def _exceeds_duration(self, state: ChannelState, size: int) -> bool:
        limit = self._limits.duration
        if limit is None or self._raw_audio is None:
            return False
        return state.audio_bytes + size > limit * self._raw_audio.bytes_per_second

    def _exhaust(self, state: ChannelState, channel: Channel) -> list[Output]:
        """End the session's audio before the chunk that would exceed the limit."""
        self._move(Input.AUDIO_LIMIT)
        limit = self._limits.duration or 0.0
        reason = f"The limit of {limit:g} s of audio is exceeded: what follows is ignored"
        kind = WarningType.DURATION_LIMIT_EXCEEDED
        warning = replies.warning(kind, reason, duration_limit=limit)
        ignored = self._ignore(state, channel)
        return [Send(warning), ignored, *self._finish(self.channels.unfinished)]

    def _ignore(self, state: ChannelState, channel: Channel) -> Output:
        state.ignored += 1
        return Send(replies.audio_added(state.acknowledged, channel))

    def _end_of_channel(self, request: requests.EndOfChannel) -> list[Output]:
        self._move(Input.END_OF_CHANNEL)
        state = self.channels.find(request.channel, request.message)
        if state.ended:
            reason = f"EndOfChannel: {request.channel!r} has ended already"
            raise Refusal(ErrorType.PROTOCOL_ERROR, reason)
        self._check_count(request, state.sent, "AddChannelAudio messages of the channel")
        state.ended = True
        if not self.channels.open:
            self._move(Input.END_OF_STREAM)
        return self._finish([] if state.finished else [request.channel])

    def _end_of_stream(self, request: requests.EndOfStream) -> list[Output]:
        self._move(Input.END_OF_STREAM)
        unit = "AddChannelAudio messages" if self.channels.named else "AddAudio messages"
        self._check_count(request, self.channels.sent, unit)
        for channel in self.channels.open:
            self.channels[channel].ended = True
        return self._finish(self.channels.unfinished)

    def _check_count(
        self, request: requests.EndOfChannel | requests.EndOfStream, came: int, unit: str
    ) -> None:
        told = request.last_seq_no
        if told > came or (told < came and not self._limits.lenient):
            raise wrong_count(request.message, told, came, unit)

    def _finish(self, channels: list[Channel]) -> list[Output]:
        for channel in channels:
            self.channels[channel].finished = True
        return [FinishEngine(channel) for channel in channels]

    def _force_end_of_utterance(self, request: requests.ForceEndOfUtterance) -> list[Output]:
        self._move(Input.FORCE_END_OF_UTTERANCE)
        state = self.channels.find(request.channel, request.message)
        if state.ended:
            reason = f"ForceEndOfUtterance: {request.channel!r} has ended already"
            raise Refusal(ErrorType.PROTOCOL_ERROR, reason)
        return [] if state.finished else [EndUtterance(request.timestamp, request.channel)]

    def _get_speakers(self, request: requests.GetSpeakers) -> list[Output]:
        self._move(Input.GET_SPEAKERS)
        if not self._rendering.speakers:
            reason = "GetSpeakers is ignored: speakers are told apart with diarization only"
            return [Send(replies.warning(WarningType.SPEAKER_ID, reason))]
        asked = self.channels.unfinished
        if request.final or not asked:  # Behind the limit of audio no engine can be asked.
            self._speakers.wanted_at_the_end = True
            return []
        self._speakers.ask(asked)
        return [TellSpeakers(channel) for channel in asked]

    def _set_recognition_config(self, request: requests.SetRecognitionConfig) -> list[Output]:
        self._move(Input.SET_RECOGNITION_CONFIG)
        change = request.transcription_config
        if "language" in change.model_fields_set and change.language != self._config.language:
            field = "transcription_config.language"
            reason = f"{field}: a session's language ({self._config.language!r}) can not change"
            raise Refusal(ErrorType.INVALID_CONFIG, reason)
        self._config = config = self._config.changed(change)
        return [ConfigureEngine(config, channel) for channel in self.channels.unfinished]

    def _chunk_taken(self, channel: Channel) -> list[Output]:
        self._move(Input.CHUNK_TAKEN)
        self._deadlines.audio(self._now)
        state = self.channels[channel]
        state.taken += 1
        return [Send(replies.audio_added(state.acknowledged, channel))]

    def _report(self, event: Report, channel: Channel) -> list[Output]:
        self._move(Input.REPORT)
        message = replies.report(event, self._rendering, channel)
        if self.state is State.STARTING:
            self._opening.append(message)
            return []
        return [Send(message)]

    def _told_speakers(self, speakers: Speakers, channel: Channel) -> list[Output]:
        self._move(Input.REPORT)
        voices = self._speakers.answer(channel, speakers)
        return [] if voices is None else [Send(replies.speakers_result(voices))]

    def _channel_ended(self, channel: Channel) -> list[Output]:
        self._move(Input.CHANNEL_ENDED)
        state = self.channels[channel]
        if not state.finished or state.engine_ended:
            raise RuntimeError(f"the engine ended channel {channel!r} out of turn")
        state.engine_ended = True
        if not self.channels.all_engines_ended:
            return []
        self._move(Input.ENGINE_ENDED)
        end: list[Output] = [Send(replies.end_of_transcript()), Close(CLOSE_NORMALLY, "")]
        if not (self._rendering.speakers and self._speakers.wanted_at_the_end):
            return end
        return [Send(replies.speakers_result(self._speakers.at_the_end(self.channels))), *end]

    @property
    def _listening(self) -> bool:
        return self.state is State.RECOGNISING and not self.channels.untaken

    def _out_of_time(self, refusal: Refusal) -> list[Output]:
        self._move(Input.TIME_LIMIT)
        return self._refuse(refusal)

    def _move(self, cause: Input) -> None:
        target = TRANSITIONS.get((self.state, cause))
        if target is not None:
            self.state = target
            return
        if cause not in FROM_CLIENT:
            raise RuntimeError(f"{cause.value} came while {self.state.name}")
        reason = f"{cause.value} is out of place while {self.state.name}"
        if self.state is State.AWAITING_START:
            reason += "; StartRecognition comes first"
        raise Refusal(ErrorType.PROTOCOL_ERROR, reason)

    def _refuse(self, refusal: Refusal) -> list[Output]:
        self.state = State.CLOSED
        error = replies.error(refusal.type, refusal.reason)
        return [Send(error), Close(close_code(refusal.type), refusal.type.value)]
