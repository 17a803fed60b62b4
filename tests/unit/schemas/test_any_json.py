"""Any JSON in any place of any command: read, or refused by the contract's own error.

Unlike arbitrary messages these get as far as the models: type, routing key and ``seq`` are right,
and most of the body is, too.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from tests.unit.schemas.strategies import (
    json_objects,
    json_values,
    mid_session_configs,
    patient,
    seqs,
    starts,
)

from speechmq_schemas import (
    AmqpMessage,
    Command,
    CommandMessage,
    ContractError,
    CreateTemporaryKey,
    GetStreamStatus,
    StartStream,
    from_command,
    from_request,
    to_command,
    unknown_fields,
)
from speechmq_schemas.commands import COMMANDS
from speechmq_schemas.examples import EXAMPLES

ODD: st.SearchStrategy[Any] = st.sampled_from(
    [float("nan"), float("inf"), 1e308, -1, 0, 2**70, "", "\x00", [], {}, None]
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every path into ``value``, its own too."""
    inner: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [path, *(found for key, one in inner for found in places(one, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    key, *rest = path
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[key] = replaced(copy[key], tuple(rest), new)
    return copy


@st.composite
def bodies(draw: DrawFn, name: str) -> Any:
    """The example's body, or a whole start or change, with anything in one place of it."""
    whole: Any = json.loads(EXAMPLES[name].body)
    if name == "StartStream":
        whole = json.loads(draw(starts).model_dump_json(exclude_unset=True))
    elif name == "UpdateConfig":
        config = draw(mid_session_configs)
        whole = {"transcription_config": json.loads(config.model_dump_json(exclude_unset=True))}
    if draw(st.integers(0, 9)) == 0:
        return draw(json_values | json_objects | ODD)
    if draw(st.integers(0, 3)) == 0:
        return {**whole, **draw(json_objects)}
    return replaced(whole, draw(st.sampled_from(places(whole))), draw(json_values | ODD))


@st.composite
def messages(draw: DrawFn) -> AmqpMessage:
    name = draw(st.sampled_from([name for name in COMMANDS if name != "AudioChunk"]))
    example = EXAMPLES[name]
    body = json.dumps(draw(bodies(name)))
    seq = {"seq": draw(seqs | st.sampled_from([-1, 0, 2**63]))} if "seq" in example.headers else {}
    return AmqpMessage(example.routing_key, name, body.encode(), seq, reply_to="q")


def written(command: Command, message: AmqpMessage) -> AmqpMessage:
    if isinstance(command, CreateTemporaryKey | GetStreamStatus):
        return from_request(command, reply_to=message.reply_to or "")
    stream_id = command.stream_id if isinstance(command, StartStream) else "one"
    return from_command(stream_id, command)


@patient
@given(messages())
def test_any_json_in_any_command_is_read_or_refused_by_the_contract_s_own_error(
    message: AmqpMessage,
) -> None:
    try:
        read = to_command(message)
    except ContractError as error:
        event(error.code)
        return
    event("read")
    assert to_command(written(read.command, message)) == CommandMessage(read.command)
    if isinstance(read.command, StartStream):
        assert all(path.split(".")[0].endswith("_config") for path in unknown_fields(read.command))
