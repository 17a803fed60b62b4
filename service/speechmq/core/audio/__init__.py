"""From deliveries to audio in place: order, gaps, decoding, and what may be acknowledged."""
