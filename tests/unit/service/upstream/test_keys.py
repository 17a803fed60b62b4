"""When a temporary key is made, and for whom."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import SecretStr

from speechmq.errors import KeyUnavailable
from speechmq.upstream.keys import OwnKey, TemporaryKeys


class Maker:
    """Makes keys, one each time that it may; ``fails`` says how often it will not."""

    def __init__(self) -> None:
        self.made = 0
        self.asked = 0
        self.fails = 0
        self.may = asyncio.Event()
        self.may.set()
        self.now = 1000.0

    async def create(self, ttl: int) -> SecretStr:
        self.asked += 1
        await self.may.wait()
        if self.fails:
            self.fails -= 1
            raise KeyUnavailable("http://api", "HTTP status 503")
        self.made += 1
        return SecretStr(f"key {self.made} for {ttl} s")

    @property
    def keys(self) -> TemporaryKeys:
        return TemporaryKeys(self.create, 100, lambda: self.now)


async def told(keys: TemporaryKeys) -> str:
    key = await keys.key()
    assert key is not None
    return key.get_secret_value()


async def test_key_serves_until_a_fifth_of_its_life_is_left() -> None:
    maker = Maker()
    keys = maker.keys
    assert await told(keys) == "key 1 for 100 s"
    maker.now += 79.9
    assert await told(keys) == "key 1 for 100 s"
    maker.now += 0.1
    assert await told(keys) == "key 2 for 100 s"


async def test_life_of_a_key_is_counted_from_when_it_was_asked_for() -> None:
    maker = Maker()
    keys = maker.keys
    maker.may.clear()
    asking = asyncio.create_task(told(keys))
    await asyncio.sleep(0)
    maker.now += 80.0
    maker.may.set()
    assert await asking == "key 1 for 100 s"
    assert await told(keys) == "key 2 for 100 s"


async def test_who_asks_while_a_key_is_being_made_gets_that_one() -> None:
    maker = Maker()
    keys = maker.keys
    maker.may.clear()
    asking = [asyncio.create_task(told(keys)) for _ in range(50)]
    await asyncio.sleep(0)
    maker.may.set()
    asked = await asyncio.gather(*asking)
    assert (set(asked), maker.asked) == ({"key 1 for 100 s"}, 1)


async def test_who_asks_while_making_a_key_fails_shares_the_failure() -> None:
    maker = Maker()
    keys = maker.keys
    maker.fails = 1
    maker.may.clear()
    asking = [asyncio.create_task(told(keys)) for _ in range(50)]
    await asyncio.sleep(0)
    maker.may.set()
    found = await asyncio.gather(*asking, return_exceptions=True)
    assert {str(one) for one in found} == {"http://api made no temporary key: HTTP status 503"}
    assert maker.asked == 1
    assert await told(keys) == "key 1 for 100 s"


async def test_next_in_line_makes_the_key_when_the_first_is_cancelled() -> None:
    maker = Maker()
    keys = maker.keys
    maker.may.clear()
    first, second = (asyncio.create_task(told(keys)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    maker.may.set()
    assert await second == "key 1 for 100 s"


async def test_key_that_served_before_and_is_refused_is_replaced() -> None:
    maker = Maker()
    keys = maker.keys
    await keys.key()
    key = await keys.key()
    assert keys.forget(key)
    assert await told(keys) == "key 2 for 100 s"


async def test_new_key_that_is_refused_is_not_replaced() -> None:
    """The next one would be refused as well, and so on."""
    keys = Maker().keys
    key = await keys.key()
    assert not keys.forget(key)


async def test_key_that_somebody_else_replaced_meanwhile_is_no_loss() -> None:
    maker = Maker()
    keys = maker.keys
    await keys.key()
    old = await keys.key()
    keys.forget(old)
    new = await keys.key()
    assert keys.forget(old)
    assert await keys.key() is new


async def test_own_key_is_what_it_is() -> None:
    key = SecretStr("k")
    keys = OwnKey(key)
    assert (await keys.key(), keys.forget(key)) == (key, False)


@pytest.mark.parametrize("key", [None, SecretStr("")])
async def test_recogniser_without_keys_gets_none(key: SecretStr | None) -> None:
    assert await OwnKey(key).key() is key
