"""What the stream has published, how far that covers the audio, and where to resume."""
