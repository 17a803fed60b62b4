"""Everything that knows aio-pika, and nothing of streams."""
