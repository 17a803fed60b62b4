"""Faults on demand: what a network or a service does to its clients, at a place of one's choice.

A man in the middle between a socket and its ``Connection``; the protocol core knows nothing
of it. ``FaultBook`` is the way in: it holds the faults of a running server. In the order of
a fault's life: ``fault`` (what), ``grammar`` (as text), ``plan`` (drawn for a session from a
seed), ``course`` (when it is due), ``handshake``, ``socket``, ``backlog`` and ``wire`` (done),
``admin`` (over HTTP).
"""

from speechmq_emulator.faults.book import FaultBook, Fired, LiveSession
from speechmq_emulator.faults.fault import Fault, FaultError
from speechmq_emulator.faults.grammar import parse, write

__all__ = ["Fault", "FaultBook", "FaultError", "Fired", "LiveSession", "parse", "write"]
