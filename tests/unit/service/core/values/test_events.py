import msgspec

from speechmq.core.values.events import FinalTranscript, UpstreamMessage, encode


def test_results_of_a_final_are_its_body_s_as_they_came() -> None:
    final = FinalTranscript("s", 1, 0.0, 0.5, "hi ", msgspec.Raw(b'[{"type": "word"}]'))
    assert encode(final) == (
        b'{"stream_id":"s","segment_id":1,"start_time":0.0,"end_time":0.5,'
        b'"transcript":"hi ","results":[{"type": "word"}]}'
    )


def test_final_that_was_forced_says_so() -> None:
    final = FinalTranscript("s", 1, 0.0, 0.5, "", [], forced=True)
    assert encode(final).endswith(b'"results":[],"forced":true}')


def test_message_that_is_unknown_is_published_as_it_came() -> None:
    assert encode(UpstreamMessage("s", "Novelty", b'{ "message": "Novelty" }')) == (
        b'{ "message": "Novelty" }'
    )
