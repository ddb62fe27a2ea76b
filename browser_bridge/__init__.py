"""Browser events in: the loopback server that the browser extension talks to.

This room never listens beyond loopback, and never takes a message from an origin it was not paired with.
"""
