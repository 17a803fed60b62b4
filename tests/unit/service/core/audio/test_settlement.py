from speechmq.core.audio.settlement import Settlement


def test_settlement_advances_to_the_last_tag_before_an_open_one() -> None:
    settlement = Settlement()
    for tag in (1, 2, 3, 4):
        settlement.opened(tag)
    settlement.close(2)
    settlement.close(4)
    assert settlement.advance() is None
    settlement.close(1)
    assert settlement.advance() == 2
    assert settlement.advance() is None
    settlement.close(3)
    assert settlement.advance() == 4
    assert len(settlement) == 0
