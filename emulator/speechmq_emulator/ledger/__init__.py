"""Audio that carries numbers, and the engine that reads them back.

In ledger audio each block of 200 ms encodes one number, so a recogniser's word list shows
exactly which samples reached it. Lost, repeated or reordered audio gives a wrong list: words
are missing, and ``w?`` stands in the place of sound that is no undamaged block. The part of a
block in which a session begins or ends says nothing.
"""

from speechmq_emulator.ledger.codec import SILENCE, encode
from speechmq_emulator.ledger.reader import Block, BlockReader, Fragment, Noise, Silence, decode
from speechmq_emulator.ledger.spoken import MAX_NUMBER, Spoken

__all__ = [
    "MAX_NUMBER",
    "SILENCE",
    "Block",
    "BlockReader",
    "Fragment",
    "Noise",
    "Silence",
    "Spoken",
    "decode",
    "encode",
]
