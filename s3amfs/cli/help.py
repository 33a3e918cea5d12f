"""Texts that several helps share; docs/errors.md says more about each code."""

from __future__ import annotations

EXIT_CODES = """\
exit codes:
  0 success                        9 invalid checksum algorithm
  1 failure worth a retry         10 wrong or missing encryption key
  2 usage error                   11 file exists
  3 object exists                 12 partial download exists
  4 unfinished upload exists      13 several unfinished uploads
  5 invalid source URL            14 permission denied
  6 invalid destination URL       15 source changed
  7 invalid S3 URL                16 checksum mismatch
  8 incompatible part size        17 source or bucket not found
                                  18 refused to delete that much
                                 130 interrupted"""
