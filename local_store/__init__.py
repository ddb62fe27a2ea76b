"""What is kept on the device: an encrypted journal of pending events and sealed segments, until uploaded or forgotten.

This room accepts only what the gate made, and never decides what may be kept nor sends anything.
"""
