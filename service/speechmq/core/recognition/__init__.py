"""One upstream session after another: what is sent, what is heard, when to try again."""
