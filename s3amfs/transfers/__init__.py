"""The machinery of one transfer: source, target, parts, proof, resume, commit."""
