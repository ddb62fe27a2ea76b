"""What was agreed to: studies, consent records, the scope they allow, and the pseudonym each study sees.

This room never captures, keeps or sends an event; it only says what a person allowed.
"""
