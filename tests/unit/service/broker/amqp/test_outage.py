from speechmq.broker.amqp.outage import Outage


def test_loss_that_lasts_is_told_at_once_and_then_seldomer() -> None:
    outage = Outage()
    told = [second for second in range(0, 2000, 2) if outage.is_news(float(second))]
    assert told == [0, 6, 16, 36, 76, 156, 316, 616, 916, 1216, 1516, 1816]


def test_next_loss_is_news_however_soon() -> None:
    outage = Outage()
    assert outage.is_news(1.0)
    assert not outage.is_news(2.0)
    outage.over()
    assert outage.is_news(2.1)
