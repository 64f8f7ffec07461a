"""A net's own data: the databases, lists and files that its data layers name, read and transformed as Caffe does.

`reading.Reader` finds and opens them; one module a kind of source. Sources that are not there are no error: the batch
is then synthetic, and the result says so.
"""
