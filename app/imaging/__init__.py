"""What an image file becomes: decoded once, oriented, measured, re-encoded as thumbnail and rendition.

Start at `processing.process`; `pool.DecodePool` runs it in limited child processes (hostile files belong
there); `model_input` is the one preprocessing that training, identification and serving share.
"""
