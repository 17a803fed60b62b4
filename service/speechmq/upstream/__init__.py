"""The Speechmatics Realtime client: the connection, its accounts and keys."""
