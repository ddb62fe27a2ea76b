"""The demonstration: the main job with the real processes, on a recorded editing session, in a throw-away folder."""
