"""The real engine: PocketSphinx, one process a session.

``engine`` is the server's side, ``nursery`` loads the model once and forks a ``worker``
for each session, and ``recogniser`` with the modules that it uses turns samples into words.
"""
