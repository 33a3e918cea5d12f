"""S3's requests and responses as data."""
