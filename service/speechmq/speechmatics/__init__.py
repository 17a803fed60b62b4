"""The vocabulary of the Speechmatics Realtime API: messages and regions. Pure."""
