"""What publishers send to what upstream takes: companded samples, and the bytes of files. Pure."""
