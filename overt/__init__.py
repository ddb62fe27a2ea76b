"""The top floor: the command line, which runs the other rooms and explains what they did.

This room never captures, masks, stores or sends by itself; it calls the room that does.
"""

__version__ = "0.1.0"
