"""The AMQP client: connections, channels, frames and fields. Knows nothing of streams."""
