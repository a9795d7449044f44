"""Settings, database sessions, errors, storage, clock, logging. Start reading at database.py."""
