"""Floor 1: protobuf text format <-> lossless tree. Knows nothing of Caffe."""
