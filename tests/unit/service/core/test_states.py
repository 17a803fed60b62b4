import re
from pathlib import Path

import pytest

from speechmq.core.states import TRANSITIONS, State, require_allowed
from speechmq.core.values import inputs
from speechmq.errors import TransitionError
from speechmq.speechmatics import messages as upstream


def test_every_state_but_the_last_can_be_reached_and_left() -> None:
    reached = {target for targets in TRANSITIONS.values() for target in targets}
    left = {state for state, _ in TRANSITIONS}
    assert reached == set(State)
    assert left == set(State) - {State.FINISHED}


@pytest.mark.parametrize(
    ("received", "side"),
    [(inputs.ConnectionOpened, "local"), (upstream.AudioAdded, "upstream")],
)
def test_missing_entry_is_the_fault_of_the_side_that_the_input_belongs_to(
    received: type[inputs.Input], side: str
) -> None:
    with pytest.raises(TransitionError) as caught:
        require_allowed(State.WAITING, received)
    assert (caught.value.side, caught.value.received) == (side, received.__name__)


def test_diagram_in_the_docs_shows_moves_of_the_table() -> None:
    page = (Path(__file__).parents[4] / "docs" / "design.md").read_text()
    drawn = set(re.findall(r"^    (\w+) --> (\w+)", page, re.MULTILINE))
    moves = {
        (state.value, target.value)
        for (state, _), targets in TRANSITIONS.items()
        for target in targets
        if target is not state
    }
    assert drawn <= moves
    assert {state for move in drawn for state in move} == {state.value for state in State}
