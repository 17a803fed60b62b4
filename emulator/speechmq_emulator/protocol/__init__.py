"""The Speechmatics Realtime protocol, seen from the server: no sockets, no clock, no engine."""
