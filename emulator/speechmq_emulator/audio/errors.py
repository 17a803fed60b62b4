"""What can be wrong with audio that a client sends."""


class Undecodable(Exception):
    """The bytes are no audio of a known format; ``reason`` is the second half of the sentence."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The audio file can not be decoded: {reason}")
        self.reason = reason
