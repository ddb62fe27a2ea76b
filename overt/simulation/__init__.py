"""A synthetic fleet: people who do not exist, at work in editors and a ticket tool, for trials and load tests.

It makes everything up from a seed, reads code only of the Python that runs it, and never looks at a person's data.
"""
