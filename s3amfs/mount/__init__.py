"""The FUSE door: a bucket, or a prefix of one, as a directory."""
