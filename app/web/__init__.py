"""What every page needs: rules of access, templating, forms, errors, CSRF, headers. Start at dependencies.py."""
