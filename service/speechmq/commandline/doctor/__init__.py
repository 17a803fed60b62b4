"""What the command `doctor` is made of: one module for each thing that is examined.

Reads the worker's settings and uses what a worker uses. Leaves nothing behind, and shows no secret.
"""
