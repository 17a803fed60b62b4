"""The core: a state machine without sockets, clocks or tasks.

One ``Stream`` turns inputs (past tense) into outputs (imperative). Every decision that matters is
made here and only here: order, acknowledgement, resume point, retry, gap, trimming, time.
"""
