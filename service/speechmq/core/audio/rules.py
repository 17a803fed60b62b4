"""What a chunk or a command must be in its turn; the channels have rules of their own.

What upstream would end the session for is a fault here, and the stream goes on.
"""

from __future__ import annotations

from ..values.commands import ChangeConfig, CloseChannel, Command, ForceUtterance
from ..values.inputs import ChunkDelivered
from ..values.spec import Limits, StreamSpec
from .channels import Channels, Fault


class Rules:
    """One stream's."""

    def __init__(self, spec: StreamSpec, limits: Limits, channels: Channels) -> None:
        self._spec = spec
        self._limits = limits
        self._channels = channels
        self._frame_bytes = spec.frame_bytes
        self._most_samples = spec.samples(limits.max_chunk)

    def fault_of_size(self, delivery: ChunkDelivered) -> Fault | None:
        """Whatever the bytes mean."""
        # The broker's side cuts what is too large as it comes, so only its size is left of it: a
        # worker holds at most prefetch times ``max_chunk_bytes`` of a stream.
        size, most = delivery.size, self._limits.max_chunk_bytes
        if size <= most:
            return None
        reason = f"a chunk of {size} bytes is larger than {most}; send the audio in pieces"
        return "too_large", reason

    def fault_of_samples(self, delivery: ChunkDelivered) -> Fault | None:
        """Of audio that is raw."""
        samples, remainder = divmod(delivery.size, self._frame_bytes)
        if remainder:
            return "bad_size", self._partial_sample(delivery)
        if samples > self._most_samples:
            return "too_large", self._too_long(samples)
        return None

    def fault_of_command(self, command: Command) -> Fault | None:
        match command:
            case ChangeConfig({"language": str(wanted)}):
                started_with = self._spec.transcription_config.get("language")
                # Upstream would end the session for it.
                if wanted != started_with:
                    reason = f"the language is {started_with!r} and cannot become {wanted!r}"
                    return "language_change", reason
            case ForceUtterance(channel=channel):
                return self._channels.fault_of_name(channel)
            case CloseChannel(channel):
                return self._channels.fault_of_end(channel)
        return None

    def _partial_sample(self, delivery: ChunkDelivered) -> str:
        spec = self._spec
        whole = f"{spec.encoding} samples of {spec.sample_bytes} bytes"
        if spec.width > 1:
            whole = f"frames of {spec.width} {whole}"
        size = len(delivery.audio)
        return f"chunk {delivery.seq} has {size} bytes, which is not a whole number of {whole}"

    def _too_long(self, samples: int) -> str:
        return (
            f"a chunk of {self._spec.seconds(samples)} s is longer than the "
            f"{self._limits.max_chunk} s that one message may carry"
        )
