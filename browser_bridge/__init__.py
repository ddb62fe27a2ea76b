"""Browser events in: the loopback server that the browser extension talks to, and the host that introduces them.

This room never listens beyond loopback, never takes a message from an origin it was not paired with, and never sends
a secret over the wire: both sides prove that they know it.
"""

VERSION = "0.1.0"
"""What the collector says of itself in ``capture.start``."""
