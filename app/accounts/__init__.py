"""Users, sign-in, sessions, API tokens, roles, audit. Start reading at service.py."""
