"""Studies: many ordinary training runs that look for the settings a project trains best with. Start at service.py."""
