"""Pure decisions and formats: no socket, no file, no clock, no thread."""
