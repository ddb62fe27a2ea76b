"""Measurements: each prints one JSON object as its last line, as ratios to a baseline taken in the same run."""
