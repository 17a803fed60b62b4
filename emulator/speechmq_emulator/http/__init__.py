"""The second port: health probes, temporary keys, and the admin API where it is asked for."""
