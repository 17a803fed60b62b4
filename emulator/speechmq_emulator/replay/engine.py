"""The replay engine: answers every session with the messages of a recorded one."""

from pathlib import Path

from speechmq_emulator.in_process import InProcessEngine
from speechmq_emulator.protocol.config import StartRecognition
from speechmq_emulator.protocol.errors import ErrorType, Refusal
from speechmq_emulator.replay.recogniser import ReplayRecogniser
from speechmq_emulator.replay.recording import read_recording


class ReplayEngine(InProcessEngine):
    """Each recorded message comes when as much audio is there as there was then.

    Messages come as they were recorded, whatever language, partials or translations the new
    session asks for. A recording has one channel only: a session with several is refused.

    Raises:
        OSError: the file can not be read.
        RecordingError: it is no recorded session.
    """

    def __init__(self, path: Path | str, quota: int = 10_000) -> None:
        self._recording = read_recording(Path(path))
        super().__init__("replay", self._recogniser, quota)

    def _recogniser(self, start: StartRecognition, rate: int) -> ReplayRecogniser:
        config = start.transcription_config
        if config.in_channels:
            reason = f"transcription_config.diarization: {config.diarization!r} needs channels, "
            raise Refusal(ErrorType.INVALID_CONFIG, reason + "but a recording is played in one")
        return ReplayRecogniser(self._recording, rate)
