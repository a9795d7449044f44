"""Read-only pages across domains: home, usage, accuracy. Start reading at pages.py."""
