"""One thin module per domain: each task hands a run id to execute_run with the work to do."""
