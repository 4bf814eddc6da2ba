"""The morning's review: one picture, one key, next.

`session` knows what happens, `app` shows it on a full screen, `plain` in lines. Textual
is loaded only by `app`.
"""
