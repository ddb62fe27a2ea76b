"""The review page: what overt holds about a person, in plain words, with everything they can do about it.

It never listens beyond this machine, never asks anything of anywhere else, and never writes what it shows to disk.
"""
