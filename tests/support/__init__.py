"""Real servers, faults and helpers for the tests; README.md beside this file lists them."""
