"""Floor 2: what the text means to Caffe: schema, dialects, graph, shapes."""
