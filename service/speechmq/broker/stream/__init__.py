"""The queues of one stream: its audio, its state, its events."""
