"""Figures over scored images: accuracy, confusion, per class. Start reading at service.py."""
