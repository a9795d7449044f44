"""Training, from images to a trunk and a head: plain values in and out, no SQL, no queue.

Start reading at `fit.py`, which tells the whole story. TensorFlow and Keras are imported here and
nowhere else; a trunk of your own is one module beside these and one line in `trunks.py`.
"""
