"""Projects, their charter and members. Start reading at service.py."""
