"""An exported model version at work: trunk (image to embedding) and head (embedding to class scores), apart.

Start at `classifier.load_classifier` for both together, `engine.TrunkEngine` and `head.Head` for one of them;
`batching.embed_stream` overlaps reading, inference and writing over many images.
"""
