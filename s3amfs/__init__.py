"""s3amfs: large objects into, across and out of S3. Importing this imports nothing else; names resolve when used."""

__version__ = "0.1.0"
