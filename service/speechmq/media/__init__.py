"""What publishers send to what upstream takes: channels taken apart, A-law, the bytes of files.

Pure: bytes in, bytes out, nothing of streams or sessions.
"""
