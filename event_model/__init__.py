"""The ground floor: what an event is, how events become bytes, and how those bytes are sealed.

This room never reads a file, a clock, a socket or a random source that was not handed to it,
and imports none of the other rooms.
"""
