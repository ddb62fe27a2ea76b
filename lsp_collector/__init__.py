"""Editor events in: a language server that any LSP editor starts beside its others.

This room never answers with completions or diagnostics, and never writes into a repository.
"""

VERSION = "0.1.0"
"""The collector's own version, as ``capture.start`` keeps it: reading it from the package's metadata takes 30 ms."""
