"""Measures s3am side by side with other tools, in one run, and says whether it reaches its targets. See __main__."""
