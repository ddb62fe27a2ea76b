"""Sealed segments out: uploads what is past its hold, once, until a signed receipt is in hand.

This room never sees an event in the clear once it has left, and never sends what is still on hold.
"""
