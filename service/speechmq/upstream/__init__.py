"""The Speechmatics Realtime client: wire messages, and a connection that carries them."""
