"""The receiver: takes sealed segments, consent records and deletion requests, and answers with signed receipts.

This room never holds a key that opens a segment, and never imports the device side.
"""
