"""Headers of a dead letter: why a message was refused, and where it had been."""

REASON = "x-speechmq-reason"
CODE = "x-speechmq-code"
QUEUE = "x-speechmq-queue"
ROUTING_KEY = "x-speechmq-routing-key"
DROPPED = "x-speechmq-headers-dropped"
"""How many headers the copy does without, because they did not fit or could not be written."""
