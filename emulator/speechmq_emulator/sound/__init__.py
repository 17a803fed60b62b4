"""What an engine reads from the sound itself, without its words: voices and audio events."""
