"""The `winnow` command. Start reading at main.py."""
