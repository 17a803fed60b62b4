"""All of speechmq on a developer's machine: a RabbitMQ of its own, the emulator, a worker, a demo.

Nothing in here runs in production. The `rabbitmq` modules know nothing of the rest of the service;
the stack runs the worker as a process and sends to it as any publisher would.
"""
