"""The process and the operating system: files, signals, streams, memory."""
