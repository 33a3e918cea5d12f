"""AWS's conventions: configuration, credentials, endpoints, signing, redaction of secrets."""
