"""The check that runs beside all tests: does it notice?"""

import math
from collections import Counter
from typing import Any, cast

import pytest
from tests.protocol.emulator.conformance.checker import Sender, own_description
from tests.support.wire_check import CHECK, WireCheck
from websockets.asyncio.server import ServerConnection

from speechmq_emulator.outbox import Outbox
from speechmq_emulator.protocol.outputs import Send


@pytest.fixture
def check(pytestconfig: pytest.Config) -> WireCheck:
    return pytestconfig.stash[CHECK]


def put(message: dict[str, Any]) -> None:
    Outbox(cast("ServerConnection", None), bound=9).put(Send(message))


def test_check_sees_what_is_put_into_an_outbox(check: WireCheck) -> None:
    put({"message": "EndOfTranscript"})
    assert check.take_faults() == []
    put({"message": "EndOfTranscript", "surprise": 1})
    faults = check.take_faults()
    assert faults[0].startswith("wire schemas: EndOfTranscript: Additional properties")
    assert check.take_faults() == []


def test_check_notices_a_number_that_json_does_not_have(check: WireCheck) -> None:
    put({"message": "AudioAdded", "seq_no": math.nan})
    assert check.take_faults()[0] == "NaN is not JSON"


def test_check_counts_what_it_saw_on_either_side() -> None:
    check = WireCheck(own_description())
    check.check(Sender.SERVER, '{"message": "EndOfTranscript"}')
    check.check(Sender.CLIENT, '{"message": "EndOfStream", "last_seq_no": -1}')
    assert check.checked == Counter(EndOfTranscript=1, EndOfStream=1)
    (fault,) = check.take_faults()
    assert fault.startswith("wire schemas: EndOfStream.last_seq_no: ")
