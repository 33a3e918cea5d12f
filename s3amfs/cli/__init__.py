"""The command line: translates argv to verbs and results to text; no policy."""
