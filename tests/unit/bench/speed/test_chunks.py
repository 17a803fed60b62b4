from bench.speed.chunks import stamped, stamped_word, stamps, word_stamp


def test_stamps_are_found_wherever_chunks_were_put_together() -> None:
    chunks = [stamped(bytes(640), 1), stamped(bytes(640), 2), stamped(bytes(3200), 3)]
    assert [len(chunk) for chunk in chunks] == [640, 640, 3200]
    assert list(stamps(b"".join(chunks))) == [1, 2, 3]


def test_only_the_stamp_of_a_chunk_differs_from_its_audio() -> None:
    audio = bytes(range(64))
    assert stamped(audio, 1)[12:] == audio[12:]


def test_last_word_tells_when_an_event_was_said() -> None:
    words = ",".join(f'{{"content":"{stamped_word(now)}"}}' for now in (5, 6))
    assert word_stamp(f"[{words}]".encode()) == 6
    assert word_stamp(b'{"content":"at the door"}') is None
