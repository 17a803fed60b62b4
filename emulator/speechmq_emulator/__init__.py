"""A local Speechmatics Realtime server with real speech recognition.

``speechmq_emulator.server.serve`` runs it inside a program, the command
``speechmq-emulator`` on its own. ``speechmq_emulator.ledger`` writes and reads audio that
carries numbers, for tests that must notice every lost, repeated or reordered sample.
"""
