"""What a stream goes through, and comes out of word for word: losses, waits, changes of session."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from tests.support.broker import Namespace
from tests.support.owners import NAMES, ByHand, RunningManager, by_hand, running_manager
from tests.support.speaker import BLOCK_SECONDS, RATE, Ears, Speaker, said, speaking

from speechmq.broker.stream.checkpoints import Series, write_checkpoint
from speechmq.core.values.checkpoint import Checkpoint
from speechmq_emulator.faults import FaultBook
from speechmq_emulator.ledger import Spoken, encode
from speechmq_emulator.protocol.limits import Limits
from speechmq_emulator.server import Emulator, serve
from speechmq_schemas import EndStream, FinalTranscript

pytestmark = pytest.mark.timeout(150)
NUMBERS = list(range(100, 130))
ONE_CLAIM = {"capacity": 1}


@dataclass(frozen=True, slots=True)
class Scene:
    upstream: Emulator
    hand: ByHand
    speaker: Speaker
    namespace: Namespace

    @property
    def ears(self) -> Ears:
        return self.speaker.ears

    async def over(self, *stream_ids: str, within: float = 60.0) -> None:
        """Ended, every claim settled, nothing left anywhere, and no connection open."""
        await self.ears.until_over(*stream_ids, within=within)
        await self.namespace.wait_for_queues(is_settled)
        await until(lambda: self.upstream.open_connections == 0)


@asynccontextmanager
async def scene(
    namespace: Namespace, *faults: str, limits: Limits | None = None
) -> AsyncIterator[Scene]:
    async with (
        serve("ledger", faults=FaultBook(faults), limits=limits or Limits()) as upstream,
        by_hand(namespace.url) as hand,
        speaking(namespace.url) as speaker,
    ):
        yield Scene(upstream, hand, speaker, namespace)


def is_settled(queues: dict[str, Any]) -> bool:
    claims = queues[NAMES.claims]
    kinds = {name.removeprefix("speechmq.").split(".")[0] for name in queues}
    is_clean = not kinds & {"stream", "state", "memo", "owner"}
    return is_clean and (claims.ready, claims.unacked) == (0, 0)


async def until(condition: Callable[[], bool], within: float = 30.0) -> None:
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def word_times(ears: Ears, stream_id: str) -> list[tuple[str, float, float]]:
    finals: list[FinalTranscript] = ears.of(stream_id, "FinalTranscript")
    return [
        (result.alternatives[0].content, result.start_time, result.end_time)
        for final in finals
        for result in final.results
        if result.type == "word"
    ]


def spoken_times(numbers: Sequence[int]) -> list[Any]:
    """As they were sent, one block behind the other."""
    return [
        (
            f"w{number}",
            pytest.approx(at * BLOCK_SECONDS, abs=0.01),
            pytest.approx((at + 1) * BLOCK_SECONDS, abs=0.01),
        )
        for at, number in enumerate(numbers)
    ]


def reasons(ears: Ears, stream_id: str) -> list[str]:
    return [one.reason for one in ears.of(stream_id, "StreamResumed")]


def warnings(ears: Ears, stream_id: str) -> list[str]:
    return [one.code for one in ears.of(stream_id, "StreamWarning")]


# -- upstream is lost ------------------------------------------------------------------------------

LOSSES = {
    "in the handshake": ["drop handshake times=1"],
    "before its first message": ["drop start times=1"],
    "in place of RecognitionStarted": ["drop recognition times=1"],
    "before RecognitionStarted": ["drop on=RecognitionStarted times=1"],
    "behind RecognitionStarted": ["drop behind=RecognitionStarted times=1"],
    "in the midst of audio": ["drop at=1.3s times=1"],
    "behind a final": ["drop behind=AddTranscript times=1"],
    "behind EndOfStream": ["drop on=EndOfTranscript times=1"],
    "with a stalled end": ["withhold message=EndOfTranscript times=1"],
    "three times in a row": ["drop at=1s times=1", "drop on=RecognitionStarted times=2"],
    "again when it had resumed": ["drop at=2s times=2"],
    "by a clean close": ["close code=1000 at=1s times=1"],
    "by a close for going away": ["close code=1001 at=1s times=1"],
    "by an error": ["error type=protocol_error at=1s times=1"],
    "by an error that asks for patience": ["error type=job_error at=1s times=1"],
    "by garbage": ["garbage at=1s times=1"],
    "by a handshake that hangs": ["hang times=1"],
    "by audio that is not confirmed": ["withhold message=AudioAdded at=1s times=1"],
    "without a word": ["silence at=1s times=1"],
}


@pytest.mark.parametrize("moment", list(LOSSES))
async def test_words_are_whole_and_in_their_time_when_upstream_is_lost(
    namespace: Namespace, moment: str
) -> None:
    faults = LOSSES[moment]
    impatient = {"end_timeout": 2.0, "answer_timeout": 2.0}
    async with (
        scene(namespace, *faults) as on,
        running_manager(
            namespace.url, on.upstream.url, session=impatient, upstream={"connect_timeout": 2.0}
        ),
    ):
        await on.hand.admit("s")
        await on.speaker.say("s", NUMBERS, speed=4.0)
        await on.over("s")
        assert word_times(on.ears, "s") == spoken_times(NUMBERS)
        [ended] = on.ears.of("s", "StreamEnded")
        assert ended.received_seconds == len(NUMBERS) * BLOCK_SECONDS
        assert all(planned.fired for planned in on.upstream.faults.planned)
        assert on.ears.of("s", "AudioGap") == []


async def test_half_open_upstream_is_noticed_in_ten_seconds_by_the_defaults(
    namespace: Namespace,
) -> None:
    async with (
        scene(namespace, "silence at=1s times=1") as on,
        running_manager(namespace.url, on.upstream.url),
    ):
        await on.hand.admit("s")
        await on.speaker.say("s", NUMBERS[:10], speed=4.0, finish=False)
        await on.ears.wait_for(lambda: warnings(on.ears, "s") != [])
        noticed = time.monotonic()
        [fired] = on.upstream.faults.fired
        assert noticed - fired.at < 12.0  # 10, and what a loaded machine takes
        await on.speaker.say("s", NUMBERS[10:], first_seq=21)
        await on.over("s")
        assert word_times(on.ears, "s") == spoken_times(NUMBERS)


# -- owners that get no further --------------------------------------------------------------------


def now_ms() -> int:
    return int(time.time() * 1000)


async def test_stream_whose_owners_die_one_behind_the_other_fails(namespace: Namespace) -> None:
    async with scene(namespace) as on:
        queues = await on.hand.admit("s")
        series = Series(3, now_ms())
        await write_checkpoint(on.hand.channel, queues.state.name, 7, Checkpoint(), series)
        async with running_manager(
            namespace.url, on.upstream.url, worker={"capacity": 1, "max_takeovers": 3}
        ):
            await on.over("s")
        assert [one.code for one in on.ears.of("s", "StreamFailed")] == ["crash_loop"]
        letter = await on.hand.channel.basic_get(NAMES.dead)
        headers = letter.header.properties.headers or {}
        assert headers["x-speechmq-code"] == "crash_loop"
        assert headers["x-speechmq-queue"] == NAMES.claims


@pytest.mark.parametrize(
    ("count", "ago"), [(2, 0), (100, 3600_000)], ids=["one short of it", "long ago"]
)
async def test_stream_goes_on_whose_owners_died(namespace: Namespace, count: int, ago: int) -> None:
    async with scene(namespace) as on:
        queues = await on.hand.admit("s")
        series = Series(count, now_ms() - ago)
        await write_checkpoint(on.hand.channel, queues.state.name, 7, Checkpoint(), series)
        async with running_manager(
            namespace.url, on.upstream.url, worker={"capacity": 1, "max_takeovers": 3}
        ):
            await on.speaker.say("s", NUMBERS)
            await on.over("s")
        assert on.ears.words("s") == said(NUMBERS)


async def test_final_between_deaths_begins_the_count_of_owners_anew(namespace: Namespace) -> None:
    """Twice as many owners die as the rule allows in a row."""
    async with scene(namespace) as on:
        await on.hand.admit("s")
        seq = 1
        for turn in range(6):
            async with running_manager(
                namespace.url, on.upstream.url, worker={"capacity": 1, "max_takeovers": 3}
            ) as manager:
                piece = NUMBERS[5 * turn : 5 * turn + 5]
                finals = len(on.ears.of("s", "FinalTranscript"))
                seq = await on.speaker.say("s", piece, first_seq=seq, finish=False)
                await on.ears.wait_for(
                    lambda finals=finals: (  # type: ignore[misc]
                        len(on.ears.of("s", "FinalTranscript")) > finals
                    )
                )
                await manager.die()
        async with running_manager(namespace.url, on.upstream.url):
            await on.speaker.send("s", EndStream(seq=seq))
            await on.over("s")
        assert on.ears.words("s") == said(NUMBERS)


# -- voices ----------------------------------------------------------------------------------------


def voiced(numbers: Sequence[int], voices: Sequence[int]) -> bytes:
    blocks = [
        Spoken(number, voice=voice)  # type: ignore[arg-type]
        for number, voice in zip(numbers, voices, strict=True)
    ]
    return encode(blocks, sample_rate=RATE, encoding="pcm_s16le")


def speakers(ears: Ears, stream_id: str) -> list[tuple[str, str | None]]:
    finals: list[FinalTranscript] = ears.of(stream_id, "FinalTranscript")
    return [
        (result.alternatives[0].content, result.alternatives[0].speaker)
        for final in finals
        for result in final.results
        if result.type == "word"
    ]


TALKATIVE = {"speakers_every": 0.2}


async def say_until_known(on: Scene, manager: RunningManager) -> None:
    """Voice 2 speaks first and is S1, then voice 1, and upstream is asked who they are."""
    await on.hand.admit("s", diarization="speaker")
    audio = voiced(NUMBERS[:20], [2] * 10 + [1] * 10)
    await on.speaker.say_audio("s", audio, speed=2.0, finish=False)

    def knows_both() -> bool:
        owner = manager.manager._owners.get("s")
        runner = owner._runner if owner is not None else None
        return runner is not None and len(runner.stream._handover._voices.known) == 2

    await until(knows_both)
    await on.ears.wait_for(lambda: len(on.ears.words("s")) >= 15)
    async with asyncio.timeout(10):
        while b"S2" not in await peek_memo(on):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def peek_memo(on: Scene) -> bytes:
    queues = await on.namespace.queues()
    if NAMES.memo("s") not in queues:
        return b""
    found = await on.hand.channel.basic_get(NAMES.memo("s"))
    if not found.delivery_tag:
        return b""
    await on.hand.channel.basic_reject(found.delivery_tag, requeue=True)
    return bytes(found.body)


async def test_voices_keep_their_labels_when_another_worker_takes_over(
    namespace: Namespace,
) -> None:
    async with scene(namespace) as on:
        async with running_manager(namespace.url, on.upstream.url, session=TALKATIVE) as manager:
            await say_until_known(on, manager)
            await manager.die()
        async with running_manager(namespace.url, on.upstream.url):
            audio = voiced(NUMBERS[20:], [1] * 5 + [2] * 5)
            await on.speaker.say_audio("s", audio, first_seq=41)
            await on.over("s")
        labels = ["S1"] * 10 + ["S2"] * 15 + ["S1"] * 5
        assert speakers(on.ears, "s") == list(zip(said(NUMBERS), labels, strict=True))


@pytest.mark.parametrize("garbage", [b"{", b"\xff", b'{"speakers": 7}', b"[]", b""])
async def test_memo_that_cannot_be_read_costs_names_and_no_word(
    namespace: Namespace, garbage: bytes
) -> None:
    async with scene(namespace) as on:
        async with running_manager(namespace.url, on.upstream.url, session=TALKATIVE) as manager:
            await say_until_known(on, manager)
            await manager.die()
        await on.hand.channel.basic_publish(garbage, routing_key=NAMES.memo("s"))
        async with running_manager(namespace.url, on.upstream.url):
            await on.speaker.say_audio("s", voiced(NUMBERS[20:], [1] * 10), first_seq=41)
            await on.over("s")
        assert on.ears.words("s") == said(NUMBERS)


# -- the account, and its regions ------------------------------------------------------------------


async def test_stream_waits_for_quota_and_is_whole_when_its_turn_comes(
    namespace: Namespace,
) -> None:
    async with (
        scene(namespace, limits=Limits(quota=2)) as on,
        running_manager(namespace.url, on.upstream.url),
    ):
        for stream_id in ("a", "b"):
            await on.hand.admit(stream_id)
            await on.speaker.say(stream_id, NUMBERS[:5], finish=False)
        await on.ears.wait_for(lambda: all(on.ears.of(one, "StreamStarted") for one in ("a", "b")))
        await on.hand.admit("c")
        await on.speaker.say("c", NUMBERS)
        await on.ears.wait_for(lambda: warnings(on.ears, "c") != [])
        # The account told that it was full: not even a connection was tried.
        assert on.upstream.faults._connections == 2
        await on.ears.wait_for(lambda: len(warnings(on.ears, "c")) >= 3)
        assert set(warnings(on.ears, "c")) == {"quota_exceeded"}
        await on.speaker.send("a", EndStream(seq=11))
        await on.ears.until_over("a", "c")
        assert word_times(on.ears, "c") == spoken_times(NUMBERS)
        await on.speaker.send("b", EndStream(seq=11))
        await on.over("b")


async def test_next_address_is_used_at_once_when_the_first_is_down_or_refuses(
    namespace: Namespace,
) -> None:
    async with (
        scene(namespace, "refuse status=503") as on,
        serve("ledger") as fallback,
        serve("ledger") as stranger,
    ):
        down = "ws://127.0.0.1:1/v2"
        for number, first in enumerate((on.upstream.url, down)):
            async with running_manager(
                namespace.url, first, upstream={"fallback_urls": [fallback.url]}
            ):
                stream_id = f"s{number}"
                await on.hand.admit(stream_id)
                await on.speaker.say(stream_id, NUMBERS)
                await on.over(stream_id)
                assert on.ears.words(stream_id) == said(NUMBERS)
                assert warnings(on.ears, stream_id) == ["unreachable"]
        assert len(on.upstream.faults.fired) == 1
        assert len(fallback.sessions) == 2
        assert stranger.faults._connections == 0


async def test_stream_goes_back_to_the_first_address_when_the_next_goes_down(
    namespace: Namespace,
) -> None:
    async with (
        scene(namespace, "refuse status=503 times=1") as on,
        serve("ledger", faults=FaultBook(["close code=1012 at=2s"])) as fallback,
        running_manager(namespace.url, on.upstream.url, upstream={"fallback_urls": [fallback.url]}),
    ):
        await on.hand.admit("s")
        await on.speaker.say("s", NUMBERS, speed=4.0)
        await on.over("s")
        assert word_times(on.ears, "s") == spoken_times(NUMBERS)
        assert (len(fallback.sessions), len(on.upstream.sessions)) == (1, 1)


# -- sessions that are changed, or given up --------------------------------------------------------


@asynccontextmanager
async def watching(upstream: Emulator) -> AsyncIterator[list[int]]:
    """The most connections that were seen at once."""
    most = [0]

    async def watch() -> None:
        while True:
            most[0] = max(most[0], upstream.open_connections)
            await asyncio.sleep(0.005)

    task = asyncio.create_task(watch())
    try:
        yield most
    finally:
        task.cancel()


@pytest.mark.parametrize("by", ["age", "warning"])
async def test_words_are_whole_over_sessions_that_replace_each_other(
    namespace: Namespace, by: str
) -> None:
    """By warning: 45 minutes before an end that comes in 46, of a clock that runs 60 times fast."""
    limits = Limits(session=46 * 60, time_scale=60) if by == "warning" else None
    after = {"rollover_after": 1.0} if by == "age" else {}
    async with (
        scene(namespace, limits=limits) as on,
        running_manager(namespace.url, on.upstream.url, session={"rollover_wait": 0.4, **after}),
        watching(on.upstream) as most,
    ):
        await on.hand.admit("s")
        await on.speaker.say("s", NUMBERS, speed=1.0)
        await on.over("s")
        assert word_times(on.ears, "s") == spoken_times(NUMBERS)
        assert set(reasons(on.ears, "s")) == {"rollover"}
        assert len(on.upstream.sessions) >= 3
        assert most[0] == 2


async def test_sessions_are_changed_in_a_pause_of_the_speech(namespace: Namespace) -> None:
    async with (
        scene(namespace) as on,
        running_manager(
            namespace.url, on.upstream.url, session={"rollover_after": 0.5, "rollover_wait": 60.0}
        ),
    ):
        await on.hand.admit("s", max_delay=0.7)
        blocks = [*NUMBERS[:8], *[None] * 12, *NUMBERS[8:16]]
        audio = encode(blocks, sample_rate=RATE, encoding="pcm_s16le")
        await on.speaker.say_audio("s", audio, speed=1.0)
        await on.over("s")
        assert on.ears.words("s") == said(NUMBERS[:16])
        assert "rollover" in reasons(on.ears, "s")


async def test_standby_that_is_lost_leaves_the_session_alone(namespace: Namespace) -> None:
    async with (
        scene(namespace) as on,
        running_manager(
            namespace.url, on.upstream.url, session={"rollover_after": 1.0, "rollover_wait": 0.4}
        ),
    ):
        await on.hand.admit("s")
        speaking_on = asyncio.create_task(on.speaker.say("s", NUMBERS, speed=1.0))
        await on.ears.wait_for(lambda: on.ears.of("s", "StreamStarted") != [])
        on.upstream.faults.add("drop behind=RecognitionStarted times=1")
        await speaking_on
        await on.over("s")
        assert word_times(on.ears, "s") == spoken_times(NUMBERS)
        assert len(on.upstream.faults.fired) == 1
        assert set(reasons(on.ears, "s")) <= {"rollover"}


async def test_silent_stream_gives_its_session_up_and_goes_on_in_its_own_time(
    namespace: Namespace,
) -> None:
    async with (
        scene(namespace) as on,
        running_manager(namespace.url, on.upstream.url, session={"suspend_after": 0.5}),
    ):
        await on.hand.admit("s")
        seq = 1
        for turn in range(3):
            piece = NUMBERS[10 * turn : 10 * turn + 10]
            seq = await on.speaker.say("s", piece, first_seq=seq, finish=False)
            await on.ears.wait_for(
                lambda turn=turn: (  # type: ignore[misc]
                    len(on.ears.of("s", "StreamInfo")) == turn + 1
                )
            )
            await until(lambda: on.upstream.open_connections == 0)
        await on.speaker.send("s", EndStream(seq=seq))
        await on.over("s")
        assert word_times(on.ears, "s") == spoken_times(NUMBERS)
        assert reasons(on.ears, "s") == ["suspended", "suspended"]
        assert len(on.upstream.sessions) == 3


async def test_suspended_stream_that_is_taken_over_goes_on_where_it_was(
    namespace: Namespace,
) -> None:
    async with scene(namespace) as on:
        await on.hand.admit("s")
        async with running_manager(
            namespace.url, on.upstream.url, session={"suspend_after": 0.5}
        ) as manager:
            seq = await on.speaker.say("s", NUMBERS[:10], finish=False)
            await on.ears.wait_for(lambda: on.ears.of("s", "StreamInfo") != [])
            await manager.die()
        async with running_manager(namespace.url, on.upstream.url):
            await on.speaker.say("s", NUMBERS[10:], first_seq=seq)
            await on.over("s")
        assert word_times(on.ears, "s") == spoken_times(NUMBERS)


# -- letting go ------------------------------------------------------------------------------------


async def test_drained_streams_go_on_in_another_worker_without_a_repeat(
    namespace: Namespace,
) -> None:
    ids = [f"s{number}" for number in range(10)]
    async with (
        scene(namespace) as on,
        running_manager(namespace.url, on.upstream.url) as first,
        AsyncExitStack() as later,
    ):
        seqs = {}
        for stream_id in ids:
            await on.hand.admit(stream_id)
            seqs[stream_id] = await on.speaker.say(stream_id, NUMBERS[:15], finish=False)
        await on.ears.wait_for(lambda: all(on.ears.words(one) for one in ids))
        await later.enter_async_context(running_manager(namespace.url, on.upstream.url))
        await first.manager.drain("the worker is stopping")
        first.manager.stop()
        for stream_id in ids:
            await on.speaker.say(stream_id, NUMBERS[15:], first_seq=seqs[stream_id])
        await on.over(*ids)
        for stream_id in ids:
            assert word_times(on.ears, stream_id) == spoken_times(NUMBERS)
            assert len(on.ears.of(stream_id, "StreamDetached")) == 1
            heard = [one for one in on.ears.streams[stream_id] if one.place[0]]
            places = [one.place for one in heard]
            assert places == sorted(set(places)), "an event twice, or an epoch behind a later one"


async def test_worker_that_dies_again_and_again_loses_and_repeats_nothing(
    namespace: Namespace,
) -> None:
    async with scene(namespace) as on:
        await on.hand.admit("s")
        talking = asyncio.create_task(on.speaker.say("s", NUMBERS * 3, speed=2.0))
        for turn in range(5):
            async with running_manager(
                namespace.url, on.upstream.url, worker={"capacity": 1, "max_takeovers": 50}
            ) as manager:
                heard = len(on.ears.streams["s"])
                await on.ears.wait_for(
                    lambda heard=heard, turn=turn: (  # type: ignore[misc]
                        len(on.ears.streams["s"]) > heard + turn % 3
                    )
                )
                await manager.die()
        async with running_manager(namespace.url, on.upstream.url):
            await talking
            await on.over("s")
        assert word_times(on.ears, "s") == spoken_times(NUMBERS * 3)
