"""The FUSE front end: a bucket, or a prefix of one, as a directory."""
