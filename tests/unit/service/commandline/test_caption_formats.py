from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.unit.service.commandline.test_cues import spoken, transcript_of

from speechmq.commandline.caption_formats import Format, format_of, render
from speechmq.errors import RequestError
from speechmq_schemas import AudioGap, Transcript

TALK = transcript_of(
    spoken("Is it <you> & me?", 0, "S1"), spoken("Yes.", 3700.25, "S2"), pauses=(2.5,)
)


def test_txt_has_a_line_for_each_passage() -> None:
    assert render(TALK, Format.TXT).text == "S1: Is it <you> & me?\nS2: Yes.\n"


def test_srt_is_numbered_and_has_a_comma_in_its_times() -> None:
    assert render(TALK, Format.SRT).text == (
        "1\n00:00:00,000 --> 00:00:02,000\nIs it <you> & me?\n\n"
        "2\n01:01:40,250 --> 01:01:41,250\nYes.\n\n"
    )


def test_vtt_names_voices_and_escapes_text() -> None:
    assert render(TALK, Format.VTT).text == (
        "WEBVTT\n\n"
        "00:00:00.000 --> 00:00:02.000\n<v S1>Is it &lt;you&gt; &amp; me?\n\n"
        "01:01:40.250 --> 01:01:41.250\n<v S2>Yes.\n\n"
    )


def test_arrow_and_line_ends_in_words_do_not_break_a_cue() -> None:
    results = spoken("a b", 0, "S>1\n")
    results[0]["alternatives"][0]["content"] = "-->\n\n\x1b"
    document = render(transcript_of(results), Format.VTT)
    assert document.text == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n<v S&gt;1>--&gt; \ufffd b\n\n"
    )


def test_json_holds_everything() -> None:
    talk = transcript_of(spoken("Yes.", 0, "S1"))
    gap = AudioGap(stream_id="s", start_time=1, end_time=2, first_seq=3, last_seq=4)
    talk.apply(gap, epoch=1, seq=500)
    found = json.loads(render(talk, Format.JSON).text)
    word = {
        "content": "Yes",
        "text": "Yes.",
        "start_time": 0.0,
        "end_time": 0.4,
        "segment_id": 1,
        "speaker": "S1",
        "confidence": 1.0,
        "is_attached": False,
        "ends_sentence": True,
        "channel": None,
    }
    assert found.pop("segments") == [one.model_dump(exclude_unset=True) for one in talk.finals]
    assert found == {
        "stream_id": "s",
        "state": "live",
        "end_time": 0.4,
        "text": "Yes.",
        "turns": [
            {"speaker": "S1", "start_time": 0.0, "end_time": 0.4, "text": "Yes.", "channel": None}
        ],
        "words": [word],
        "utterance_ends": [],
        "gaps": [gap.model_dump(exclude_unset=True)],
        "missing_segments": [],
    }


@pytest.mark.parametrize(
    ("style", "text"), [(Format.TXT, ""), (Format.SRT, ""), (Format.VTT, "WEBVTT\n\n")]
)
def test_nothing_said_is_a_valid_document(style: Format, text: str) -> None:
    assert render(Transcript(), style).text == text


def test_format_is_told_by_the_name() -> None:
    assert format_of(Path("a/Talk.VTT")) is Format.VTT
    with pytest.raises(RequestError, match=r"talk\.doc does not tell its format: give --format"):
        format_of(Path("talk.doc"))
