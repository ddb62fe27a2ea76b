"""Training data: opens sealed segments, rebuilds sessions, checks that they replay exactly, and writes datasets.

This room never imports the device side, and never makes a report about one person.
"""
