"""A worker with one rule changed: it acknowledges audio as soon as upstream has read it.

That is what a client does that trusts ``AudioAdded``. Words are lost by it, which a chaos run must
see: the proof that the run can fail.
"""

from __future__ import annotations

import sys

from speechmq.core.stream import Stream
from speechmq.speechmatics.messages import AudioAdded
from speechmq.worker.app import run_worker

_on_audio_added = Stream._RECEIVERS[AudioAdded]


def forget_what_was_read(stream: Stream, received: AudioAdded, now: float) -> None:
    """As the worker does, and then lets go of what upstream has read, final or not."""
    _on_audio_added(stream, received, now)
    under_way = stream._succession.live.under_way
    timeline = stream._placement.timeline
    read = len(timeline.pieces) - len(timeline.unsent) - under_way
    if read > 0:
        stream._placement.release(timeline.pieces[read - 1].seq + 1)
        stream._inlet.settle(now)


if __name__ == "__main__":
    Stream._RECEIVERS[AudioAdded] = forget_what_was_read
    sys.exit(run_worker())
