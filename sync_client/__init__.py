"""Sends sealed segments past their hold to the study's receiver, and deletion requests, until their receipts are here.

This room sends no byte of a study without live consent, believes no answer but a receipt signed by the receiver the
study names, and never changes what was captured.
"""
