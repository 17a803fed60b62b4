"""What the commands are made of: a publisher and a consumer like any other, and a doctor.

Speaks to workers through the broker alone. Of theirs it imports the errors and what the broker's
dead letters look like; the doctor also what a worker would use.
"""
