"""One module a verb: an options dataclass and a function. The waist between the front doors and the engine."""
