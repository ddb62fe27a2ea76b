"""Editor events in: a language server that any LSP editor starts beside its others.

This room never answers with completions or diagnostics, and never writes into a repository.
"""
