"""CTranslate2's Whisper, as far as it is used here: a window of samples -> a hypothesis.

The only module that calls the decoder. Its methods may be called from several threads; the
decoder lets other threads run meanwhile.
"""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import ctranslate2
import numpy as np
from tokenizers import Tokenizer

from speechmq_emulator.audio import Samples
from speechmq_emulator.whisper.device import Device, ModelError
from speechmq_emulator.whisper.features import RATE, LogMel
from speechmq_emulator.whisper.hypothesis import (
    Hypothesis,
    Piece,
    Sound,
    is_speech,
    within,
    words_of,
)
from speechmq_emulator.whisper.languages import from_whisper, is_spaced

_TOKENS_A_SECOND = 8
_HINT_TOKENS = 100
_LONGEST_REPEAT = 5
"""Tokens: on a cut word the model may repeat one syllable until its room is full."""

_CURRENCIES = "$€£¥₹%"
_STEP_SECONDS = 0.02
_UNFINISHED = "\ufffd"


class WhisperModel:
    """``cores`` decodes run at once.

    Raises:
        ModelError: the directory holds no such model, or the device can not run it.
    """

    def __init__(self, directory: Path, cores: int, device: Device | None = None) -> None:
        device = device or Device()
        try:
            self._model = ctranslate2.models.Whisper(
                str(directory),
                device=device.name,
                compute_type=device.compute_type,
                inter_threads=cores,
                intra_threads=device.threads,
            )
            self._tokens = _Tokens(directory / "tokenizer.json")
        except (RuntimeError, ValueError, OSError) as error:
            raise ModelError(f"{directory} can not be loaded: {error}") from error
        self._log_mel = LogMel(self._model.n_mels)
        self.languages = self._tokens.languages if self._model.is_multilingual else ("en",)

    def hint(self, words: Sequence[str]) -> tuple[int, ...]:
        """A prompt that makes these words more likely; what does not fit is left out."""
        if not words:
            return ()
        ids = self._tokens.encode(" " + ", ".join(words))
        return (self._tokens.previous, *ids[:_HINT_TOKENS])

    def decode(
        self, sound: Sound, language: str | None, hint: Sequence[int] = (), *, timed: bool = True
    ) -> Hypothesis:
        """``language`` is Whisper's; None lets the model guess.

        Without ``timed`` it takes a fifth less CPU: times and confidences are rough.
        """
        encoded = self._encode(sound.samples)
        start = self._start(language or self._guess(encoded))
        spoken = from_whisper(language or self._tokens.language_of(start))
        text, confidence = self._generate(encoded, sound, start, hint)
        if not text:
            return Hypothesis()
        if timed:
            times, probabilities = self._align(encoded, start, text, sound.seconds)
        else:
            times = [sound.seconds * index / len(text) for index in range(len(text) + 1)]
            probabilities = [confidence] * len(text)
        pieces = self._tokens.pieces(text, times, probabilities)
        words = words_of(pieces, sound.origin, spaced=is_spaced(spoken))
        if language is None:
            words = tuple(replace(h, word=replace(h.word, language=spoken)) for h in words)
        return Hypothesis(within(words, sound.end))

    def _encode(self, samples: Samples) -> ctranslate2.StorageView:
        features = ctranslate2.StorageView.from_array(self._log_mel(samples)[None])
        return self._model.encode(features)

    def _start(self, language: str) -> list[int]:
        return self._tokens.start(language, multilingual=self._model.is_multilingual)

    def _generate(
        self,
        encoded: ctranslate2.StorageView,
        sound: Sound,
        start: Sequence[int],
        hint: Sequence[int],
    ) -> tuple[list[int], float]:
        """The text's tokens and their mean probability; nothing where there is no speech."""
        (result,) = self._model.generate(
            encoded,
            [[*hint, *start]],
            beam_size=1,
            # The library counts each token twice, as half of its room is the prompt's.
            max_length=2 * (8 + round(_TOKENS_A_SECOND * sound.seconds)),
            suppress_tokens=[-1, *self._tokens.unspeakable],
            no_repeat_ngram_size=_LONGEST_REPEAT,
            return_scores=True,
            return_no_speech_prob=True,
        )
        if not is_speech(result.no_speech_prob, result.scores[0], goes_on=sound.goes_on):
            return [], 0.0
        text = self._tokens.text_before(result.sequences_ids[0], sound.seconds)
        return text, math.exp(result.scores[0])

    def _align(
        self,
        encoded: ctranslate2.StorageView,
        start: Sequence[int],
        text: Sequence[int],
        seconds: float,
    ) -> tuple[list[float], Sequence[float]]:
        """When each token begins, and the end; and how probable each is."""
        (found,) = self._model.align(encoded, list(start), [list(text)], round(seconds * 100))
        return _token_times(found.alignments, len(text), seconds), found.text_token_probs

    def _guess(self, encoded: ctranslate2.StorageView) -> str:
        if not self._model.is_multilingual:
            return "en"
        (guesses,) = self._model.detect_language(encoded)
        return str(guesses[0][0]).strip("<|>")

    def seconds_a_decode(self) -> float:
        """What a decode of a few seconds costs one core, measured now."""
        noise = np.random.default_rng(0).normal(0, 0.05, 4 * RATE).astype(np.float32)
        features = ctranslate2.StorageView.from_array(self._log_mel(noise)[None])
        start = self._tokens.start("en", multilingual=self._model.is_multilingual)
        taken = []
        for _ in range(3):
            begun = time.perf_counter()
            encoded = self._model.encode(features)
            unending = [-1, self._tokens.end]
            self._model.generate(
                encoded, [start], beam_size=1, max_length=32, suppress_tokens=unending
            )
            self._model.align(encoded, start, [self._tokens.encode(" one two three four")], 400)
            taken.append(time.perf_counter() - begun)
        return min(taken)


class _Tokens:
    """The model's vocabulary."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise OSError(f"{path.name} is missing")
        self._tokenizer = Tokenizer.from_file(str(path))
        self.end = self._id("<|endoftext|>")
        self.previous = self._id("<|startofprev|>")
        self._start = self._id("<|startoftranscript|>")
        self._transcribe = self._id("<|transcribe|>")
        self._timestamps = self._id("<|notimestamps|>") + 1
        between = range(self._start + 1, self._id("<|translate|>"))
        self.languages = tuple(
            str(self._tokenizer.id_to_token(one)).strip("<|>") for one in between
        )
        texts = ((one, self._tokenizer.decode([one])) for one in range(self.end))
        self.unspeakable = [
            one for one, text in texts if any(c.isdigit() or c in _CURRENCIES for c in text)
        ]

    def _id(self, token: str) -> int:
        found = self._tokenizer.token_to_id(token)
        if found is None:
            raise ValueError(f"its tokenizer has no {token}, so it is no Whisper model")
        return int(found)

    def encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def start(self, language: str, *, multilingual: bool) -> list[int]:
        if not multilingual:
            return [self._start]
        return [self._start, self._id(f"<|{language}|>"), self._transcribe]

    def language_of(self, start: Sequence[int]) -> str:
        return str(self._tokenizer.id_to_token(start[1])).strip("<|>") if start[1:] else "en"

    def text_before(self, ids: Sequence[int], seconds: float) -> list[int]:
        """The text's tokens, up to a sentence that would begin after the audio's end."""
        text: list[int] = []
        for one in ids:
            if one < self.end:
                text.append(one)
            elif text and (one - self._timestamps) * _STEP_SECONDS >= seconds - _STEP_SECONDS:
                break
        return text

    def pieces(
        self, ids: Sequence[int], ends: Sequence[float], probabilities: Sequence[float]
    ) -> Iterator[Piece]:
        """Whole letters: a token may hold only a part of one."""
        first = 0
        for index in range(len(ids)):
            text = self._tokenizer.decode(list(ids[first : index + 1]))
            if _UNFINISHED in text and index + 1 < len(ids):
                continue
            yield Piece(text, ends[first], ends[index + 1], min(probabilities[first : index + 1]))
            first = index + 1


def _token_times(path: Sequence[tuple[int, int]], count: int, seconds: float) -> list[float]:
    """When each token begins, and the end: the decoder's path goes through all of them."""
    times = [0.0] * (count + 1)
    known = -1
    for token, step in path:
        if known < token <= count:
            for skipped in range(known + 1, token + 1):
                times[skipped] = step * _STEP_SECONDS
            known = token
    for rest in range(known + 1, count + 1):
        times[rest] = seconds
    return times
