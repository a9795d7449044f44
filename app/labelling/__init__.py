"""Classes, sub-classes, label events, the queue and undo. Start reading at service.py."""
