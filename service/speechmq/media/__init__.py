"""What audio is made of. Pure: bytes in, bytes out, nothing of streams or sessions."""
