"""Headers of a dead letter: why a message was refused, and where it had been."""

REASON = "x-speechmq-reason"
CODE = "x-speechmq-code"
QUEUE = "x-speechmq-queue"
ROUTING_KEY = "x-speechmq-routing-key"
HEADERS = "x-speechmq-headers"
"""A table of the message's own headers. They stand apart, because RabbitMQ obeys some of them: it
sends a copy to each queue that ``CC`` or ``BCC`` names."""
CUT = "x-speechmq-body-bytes"
"""How many bytes the message had; the copy has only their beginning."""
DROPPED = "x-speechmq-headers-dropped"
"""How many headers the copy does without, because they did not fit or could not be written."""
