"""Run Alembic's revisions on the connection that the inventory hands over."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
