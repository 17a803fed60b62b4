"""What the commands `send` and `listen` are made of: a publisher and a consumer like any other.

Speaks to workers through the broker alone and imports nothing of theirs but the errors.
"""
