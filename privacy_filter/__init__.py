"""What is taken out: finds secrets and personal data in documents and masks every edit that brought them.

This room never touches a network, a clock or a random source, and reads no file but its own rules;
events go in, masks come out.
"""
