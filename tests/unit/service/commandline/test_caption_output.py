from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from tests.unit.service.commandline.test_cues import spoken, transcript_of

from speechmq.commandline.caption_formats import Format
from speechmq.commandline.caption_output import CaptionFile, CaptionStream, Output
from speechmq.errors import RequestError
from speechmq_schemas import Transcript

FIRST = transcript_of(spoken("One."), spoken("Two", 0.4))
SECOND = transcript_of(spoken("One."), spoken("Two", 0.4), spoken("three. Four", 0.8))


def test_stream_gets_each_cue_when_it_is_settled_and_the_rest_at_the_end() -> None:
    stream = io.StringIO()
    output = CaptionStream(stream, Format.TXT)
    seen = []
    for transcript in (Transcript(), transcript_of(spoken("One."), spoken("Two", 5))):
        output.write(transcript)
        seen.append(stream.getvalue())
    output.finish(transcript)
    assert [*seen, stream.getvalue()] == ["", "One.\n", "One.\nTwo\n"]


def test_stream_of_cues_reads_like_the_file_at_the_end(tmp_path: Path) -> None:
    stream, path = io.StringIO(), tmp_path / "talk.vtt"
    outputs: list[Output] = [CaptionStream(stream, Format.VTT), CaptionFile(path, Format.VTT)]
    for output in outputs:
        output.write(Transcript())
        output.write(FIRST)
        output.write(SECOND)
        output.finish(SECOND)
    assert stream.getvalue() == path.read_text()


def test_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "talk.srt"
    path.write_text("an old one")
    output = CaptionFile(path, Format.SRT)
    with path.open() as reader:
        output.write(FIRST)
        assert reader.read() == "an old one"
    assert path.read_text().startswith("1\n00:00:00,000 --> 00:00:00,400\nOne.\n\n2\n")
    assert [one.name for one in tmp_path.iterdir()] == ["talk.srt"]


def test_file_that_says_the_same_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "talk.srt"
    output = CaptionFile(path, Format.SRT)
    output.write(FIRST)
    before = path.stat()
    output.finish(FIRST)
    assert path.stat().st_ino == before.st_ino


def test_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link.txt").symlink_to(tmp_path / "talk.txt")
    CaptionFile(tmp_path / "link.txt", Format.TXT).write(FIRST)
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "talk.txt").read_text() == "One. Two\n"


def test_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    output = CaptionFile(tmp_path / "none" / "talk.txt", Format.TXT)
    with pytest.raises(RequestError, match=r"none/talk\.txt cannot be written: No such file"):
        output.write(FIRST)


def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(RequestError, match=r"pipe\.txt is not a file; leave -o out"):
        CaptionFile(tmp_path / "pipe.txt", Format.TXT)
