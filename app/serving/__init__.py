"""The identify API, its transaction log and grades. Start reading at answering.py."""
