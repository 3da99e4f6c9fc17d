"""Entry point of Alembic: runs the migrations on the connection and in the transaction of the caller."""

from alembic import context

from cardiograph.service.records.tables import VERSION_TABLE, Table

context.configure(
    connection=context.config.attributes["connection"], target_metadata=Table.metadata, version_table=VERSION_TABLE
)
with context.begin_transaction():
    context.run_migrations()
