"""Review the queue of flagged items: one picture, one key, next.

`session` holds the state, `app` is the full-screen display, `line_mode` the display in
lines. Only `app` loads Textual.
"""
