"""One module a verb: an options dataclass and a function. The layer between the front ends and the engine."""
