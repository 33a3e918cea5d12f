"""libcurl: one multi handle, its exchanges, their options."""
