"""The arithmetic of Caffe's layers on arrays, one operation or small family a file.

An operation takes a Backend and blobs (logical shape (N, C, spatial...)) and returns new blobs with channel-first
storage; it knows no layer, no parameter message and no phase. The NumPy body and the kernel launch stand side by side.
"""
