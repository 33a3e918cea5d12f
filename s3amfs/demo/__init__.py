"""What `s3am demo` and the tests stand on: a real S3 server in a temporary folder."""
