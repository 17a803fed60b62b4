"""RabbitMQ: topology as data, admission and early audio (control), claims and streams (data)."""
