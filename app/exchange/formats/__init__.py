"""One module a format. Each reads what a source says of its files; `registry` lists them all."""
