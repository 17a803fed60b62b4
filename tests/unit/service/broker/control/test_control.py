"""What the control plane asks of its connection."""

from __future__ import annotations

from typing import Any

from yarl import URL

from speechmq.broker.amqp.plane import broker_urls
from speechmq.broker.control.admission import Admission
from speechmq.broker.control.control import ControlPlane
from speechmq.broker.control.early import EarlyAudio
from speechmq.settings import BrokerSettings, Settings


def test_starts_and_early_audio_of_a_frozen_worker_are_free_as_soon_as_its_streams() -> None:
    """The client's own default, a minute, would leave them with it for two."""
    settings = Settings(broker=BrokerSettings(heartbeat=7))
    unused: Any = None
    admission, early = (
        Admission(unused, settings, unused, unused),
        EarlyAudio.__new__(EarlyAudio),
    )
    [url] = broker_urls(settings.broker)
    plane = ControlPlane(settings, admission, early, unused, unused, side=unused, url=url)
    assert URL(plane._broker._connection_kwargs["url"]).query["heartbeat"] == "7"
