"""All network: requests as data, signing and endpoints (botocore), and curl. Imports core only."""
