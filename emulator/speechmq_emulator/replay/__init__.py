"""A recorded session, played again against the audio of a new one."""

from speechmq_emulator.replay.engine import ReplayEngine
from speechmq_emulator.replay.recording import Recording, RecordingError, read_recording

__all__ = ["Recording", "RecordingError", "ReplayEngine", "read_recording"]
