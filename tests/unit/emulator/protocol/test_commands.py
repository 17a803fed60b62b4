"""What a client may ask while recognition runs."""

from typing import Any

import pytest
from tests.unit.emulator.protocol.sessions import (
    end_of_channel,
    end_of_stream,
    exhausted_session,
    message,
    recognising_session,
    refused,
    session_with_channels,
    warned,
)

from speechmq_emulator.protocol.config import (
    AudioFilteringConfig,
    ConversationConfig,
    TranscriptionConfig,
)
from speechmq_emulator.protocol.outputs import (
    Close,
    ConfigureEngine,
    EndUtterance,
    Output,
    Send,
    TellSpeakers,
)
from speechmq_emulator.protocol.session import Session
from speechmq_emulator.speech.events import Ended, Speakers, SpeakerVoices

ANN = SpeakerVoices("S1", ("ann",))
BEN = SpeakerVoices("S2", ("ben", "ben again"))
END: list[Output] = [Send({"message": "EndOfTranscript"}), Close(1000, "")]


def set_config(**fields: object) -> str:
    return message("SetRecognitionConfig", transcription_config=fields)


def get_speakers(*, final: bool = False) -> str:
    return message("GetSpeakers", final=final)


def speakers_result(*voices: SpeakerVoices) -> Send:
    speakers = [{"label": v.label, "speaker_identifiers": list(v.identifiers)} for v in voices]
    return Send({"message": "SpeakersResult", "speakers": speakers})


def end_of(session: Session, *speakers: SpeakerVoices) -> list[Output]:
    """End a session without chunks whose engine tells these speakers at the end."""
    session.receive(end_of_stream(0))
    assert session.recognised(Speakers(speakers, final=True)) == []
    return session.recognised(Ended())


def test_configuration_is_merged_over_the_one_of_the_start() -> None:
    session = recognising_session(max_delay=2, enable_partials=True, domain="finance")
    trigger = {"end_of_utterance_silence_trigger": 0.5}
    first = TranscriptionConfig(
        language="en",
        domain="finance",
        max_delay=1.0,
        enable_partials=True,
        conversation_config=ConversationConfig(end_of_utterance_silence_trigger=0.5),
    )
    assert session.receive(set_config(max_delay=1, conversation_config=trigger)) == [
        ConfigureEngine(first)
    ]
    second = first.model_copy(
        update={
            "enable_partials": False,
            "audio_filtering_config": AudioFilteringConfig(volume_threshold=5.0),
            "max_delay_mode": "fixed",
        }
    )
    change = set_config(
        language="en",
        enable_partials=False,
        audio_filtering_config={"volume_threshold": 5},
        max_delay_mode="fixed",
    )
    assert session.receive(change) == [ConfigureEngine(second)]


def test_configuration_goes_to_every_channel_that_is_open() -> None:
    session = session_with_channels("a", "b")
    session.receive(end_of_channel("a", 0))
    outputs = session.receive(set_config(max_delay=1))
    assert [(type(out), getattr(out, "channel", None)) for out in outputs] == [
        (ConfigureEngine, "b")
    ]


def test_language_can_not_change() -> None:
    reason = "transcription_config.language: a session's language ('en') can not change"
    outputs = recognising_session().receive(set_config(language="de"))
    assert outputs == refused("invalid_config", 1003, reason)


def test_field_that_can_not_change_is_an_invalid_config() -> None:
    reason = "transcription_config.diarization: Extra inputs are not permitted"
    outputs = recognising_session().receive(set_config(diarization="speaker"))
    assert outputs == refused("invalid_config", 1003, reason)


@pytest.mark.parametrize("timestamp", [0.0, 1.5])
def test_end_of_utterance_is_forced_where_the_client_says(timestamp: float) -> None:
    text = message("ForceEndOfUtterance", timestamp=timestamp)
    assert recognising_session().receive(text) == [EndUtterance(timestamp)]


def test_end_of_utterance_is_forced_behind_what_has_come() -> None:
    text = message("ForceEndOfUtterance")
    assert recognising_session().receive(text) == [EndUtterance(None)]


def test_speakers_are_told_when_asked_for() -> None:
    session = recognising_session(diarization="speaker")
    assert session.receive(get_speakers()) == [TellSpeakers()]
    assert session.recognised(Speakers(())) == [speakers_result()]
    assert session.receive(get_speakers()) == [TellSpeakers()]
    assert session.recognised(Speakers((ANN, BEN))) == [speakers_result(ANN, BEN)]
    assert end_of(session, ANN, BEN) == END


def test_voice_without_identifiers_is_left_out() -> None:
    session = recognising_session(diarization="speaker")
    session.receive(get_speakers())
    unknown = SpeakerVoices("S3", ())
    assert session.recognised(Speakers((ANN, unknown))) == [speakers_result(ANN)]


def test_final_speakers_are_told_once_before_the_end() -> None:
    session = recognising_session(diarization="speaker")
    assert session.receive(get_speakers(final=True)) == []
    assert session.receive(get_speakers(final=True)) == []
    assert end_of(session, ANN) == [speakers_result(ANN), *END]


def test_final_speakers_are_told_when_the_start_asked_for_them() -> None:
    config = {"get_speakers": True}
    session = recognising_session(diarization="speaker", speaker_diarization_config=config)
    assert end_of(session, ANN) == [speakers_result(ANN), *END]


def test_final_speakers_are_not_told_unasked() -> None:
    assert end_of(recognising_session(diarization="speaker"), ANN) == END


def test_speakers_of_all_channels_come_in_one_answer() -> None:
    channels: dict[str, Any] = {
        "diarization": "channel_and_speaker",
        "channel_diarization_labels": ["a", "b"],
    }
    session = recognising_session(**channels)
    assert session.receive(get_speakers()) == [TellSpeakers("a"), TellSpeakers("b")]
    assert session.recognised(Speakers((BEN,)), "b") == []
    assert session.recognised(Speakers((ANN,)), "a") == [speakers_result(ANN, BEN)]


def test_speakers_without_diarization_are_warned_about() -> None:
    session = recognising_session(speaker_diarization_config={"get_speakers": True})
    reason = "GetSpeakers is ignored: speakers are told apart with diarization only"
    assert session.receive(get_speakers()) == [warned("speaker_id", reason)]
    session.receive(end_of_stream(0))
    assert session.recognised(Ended()) == END


def test_speakers_asked_for_beyond_the_audio_limit_come_at_the_end() -> None:
    session = exhausted_session(diarization="speaker")
    assert session.receive(get_speakers()) == []
    assert session.recognised(Speakers((ANN,), final=True)) == []
    assert session.recognised(Ended()) == [speakers_result(ANN), *END]
