"""Reading Caffe's training logs: from lines to passes, from passes to findings. No I/O; works on streams of bytes."""
