"""Executes what core decides: the loop threads, sources, targets, journals. Decides nothing."""
