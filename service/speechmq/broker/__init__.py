"""RabbitMQ: the client, what a worker does for all streams, and the queues of one stream."""
