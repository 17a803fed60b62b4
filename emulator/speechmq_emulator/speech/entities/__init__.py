"""Numbers, dates and amounts in English, from the words that say them."""

from speechmq_emulator.speech.entities.grammar import find, may_begin, may_continue, unfinished

__all__ = ["find", "may_begin", "may_continue", "unfinished"]
