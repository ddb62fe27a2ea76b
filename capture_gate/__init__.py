"""The one door: consent, scope, level and redaction, in that order, for every event of every channel.

This room is the only maker of what the store accepts, and never lets anything through that it could not decide.
"""
