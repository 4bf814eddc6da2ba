"""Tag folders of shop photographs into a SQLite inventory.

Importing the package loads nothing: each module is imported by who needs it.
"""

__version__ = "0.1.0"
