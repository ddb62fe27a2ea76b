"""What is taken out: finds secrets and personal data in documents and masks every edit that brought them.

This room never touches a disk, a clock or the network; text goes in, masks come out.
"""
