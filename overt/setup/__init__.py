"""Setting up editors and browsers: what is installed, what would change, and how to take it back.

Never touches a repository, and never starts capture: that is for `overt join` and the person.
"""
