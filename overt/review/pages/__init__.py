"""The pages, one module each: they read and act through the other rooms, and never decide what may be captured."""
