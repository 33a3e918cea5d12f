"""Base of `s3am demo` and the tests: a real S3 server in a temporary folder."""
