"""One lifecycle for all long work: run states, claim, lease, progress, sweep. Start reading at lifecycle.py."""
