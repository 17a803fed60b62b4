"""The ledger engine: reads numbers out of the samples, and says them as words."""

from speechmq_emulator.in_process import InProcessEngine
from speechmq_emulator.ledger.recogniser import LedgerRecogniser


class LedgerEngine(InProcessEngine):
    """Numbers belong to no language, so it takes every one that the service has."""

    def __init__(self, quota: int = 10_000) -> None:
        super().__init__("ledger", LedgerRecogniser, quota)
