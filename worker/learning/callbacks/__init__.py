"""What happens beside the training loop, one callback a file. `fit.py` lists them in the order they run."""
