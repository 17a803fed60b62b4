"""Inputs, outputs, events and the plain data in them. No decisions."""
