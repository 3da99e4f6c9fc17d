"""Migrations of the tables, run by :mod:`cardiograph.service.records.database`."""
