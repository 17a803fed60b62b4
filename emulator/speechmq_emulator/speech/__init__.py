"""What any recognition engine says about a stream's audio, and how finals tile it."""
