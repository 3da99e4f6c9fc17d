"""Alembic's entry: the steps run on the connection, and in the transaction, of the one who called."""

from alembic import context

from cardiograph.service.records.tables import VERSION_TABLE, Table

context.configure(
    connection=context.config.attributes["connection"], target_metadata=Table.metadata, version_table=VERSION_TABLE
)
with context.begin_transaction():
    context.run_migrations()
