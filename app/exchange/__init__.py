"""Import and export formats, the staged preview, the mapping of arriving classes. Start reading at schemas.py.

The primitives (sources of bytes, intake, label events) stay in library and labelling.
"""
