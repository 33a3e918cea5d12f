"""An open object: reading it in ranges, writing, appending to and patching it."""
