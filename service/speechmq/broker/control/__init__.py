"""What a worker does for all streams: starts, early audio, claims, requests and replies."""
