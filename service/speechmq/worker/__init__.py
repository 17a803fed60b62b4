"""The worker: one process that holds many streams, composed in ``app``."""
