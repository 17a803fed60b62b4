"""Whether the worker lives, is ready, and what it does: for probes, scrapers and people."""
