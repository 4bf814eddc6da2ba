"""Talk to the operating system: files, signals, streams, memory."""
