"""What an operator sees of a worker: logs, metrics and traces. Observes, and decides nothing."""
