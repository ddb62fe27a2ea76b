"""Takes sealed segments, consent records and deletion requests, and answers with signed receipts.

This room never reads what it keeps: it holds no key that opens an envelope, and imports nothing of the device side.
"""
