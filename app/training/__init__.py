"""Run configuration, lineage, epochs and plain-words results; no TensorFlow here. Start reading at service.py."""
