import contextlib
import io
import re

import pytest
from scripts.generate_contract import SCHEMAS

from speechmq_schemas.commands import COMMANDS
from speechmq_schemas.events import EVENTS
from speechmq_schemas.examples import EXAMPLES, STREAM_ID
from speechmq_schemas.replies import REPLIES

README = (SCHEMAS / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def table_rows() -> dict[str, str]:
    """Routing key by message, from the tables."""
    return dict(re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", README, re.MULTILINE))


def test_code_for_any_client_runs_as_shown() -> None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(BLOCKS[0], "README.md", "exec"), {})  # noqa: S102
    assert printed.getvalue().splitlines() == [
        "speechmq.in start StartStream {}",
        "speechmq.in stream.call-0042 AudioChunk {'seq': 1}",
        "speechmq.in stream.call-0042 EndStream {'seq': 2}",
        "1.4 Good morning. ",
        "missing_seq EndStream has no header 'seq'",
    ]


def test_every_code_block_compiles() -> None:
    assert len(BLOCKS) == 2
    for block in BLOCKS:
        compile(block, "README.md", "exec")


def test_tables_list_every_message() -> None:
    assert list(table_rows()) == [*COMMANDS, *EVENTS, *REPLIES]


@pytest.mark.parametrize("name", [*COMMANDS, *EVENTS, *REPLIES])
def test_tables_show_the_routing_key(name: str) -> None:
    shown = table_rows()[name].replace("<message>", "AddSummary").replace("<language>", "de")
    sent = EXAMPLES[name]
    shown = shown.replace("<reply_to>", EXAMPLES["CreateTemporaryKey"].reply_to or "")
    asked = STREAM_ID if sent.reply_to else sent.correlation_id
    assert shown.replace("<stream_id>", asked or "") == sent.routing_key
