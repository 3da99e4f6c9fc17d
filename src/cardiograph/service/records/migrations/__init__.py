"""How the tables of the records came to be, step by step; run by :mod:`cardiograph.service.records.database`."""
