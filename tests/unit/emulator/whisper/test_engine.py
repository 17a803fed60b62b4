"""How many channels a machine is said to hold."""

import pytest

pytest.importorskip("ctranslate2", reason="the extra speechmq-emulator[whisper] is not installed")

from speechmq_emulator.whisper.engine import capacity


@pytest.mark.parametrize(("cores", "cost", "holds"), [(2, 0.56, 3), (2, 0.1, 20), (1, 3.0, 1)])
def test_capacity_is_a_decode_a_second_for_each_channel(
    cores: int, cost: float, holds: int
) -> None:
    assert capacity(cores, cost) == holds
