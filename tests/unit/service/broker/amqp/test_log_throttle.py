from speechmq.broker.amqp.log_throttle import LogThrottle


def test_loss_that_lasts_is_told_at_once_and_then_seldomer() -> None:
    throttle = LogThrottle()
    told = [second for second in range(0, 2000, 2) if throttle.allows(float(second))]
    assert told == [0, 6, 16, 36, 76, 156, 316, 616, 916, 1216, 1516, 1816]


def test_next_loss_is_news_however_soon() -> None:
    throttle = LogThrottle()
    assert throttle.allows(1.0)
    assert not throttle.allows(2.0)
    throttle.reset()
    assert throttle.allows(2.1)
