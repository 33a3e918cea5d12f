"""Decisions of jobs over trees."""
