"""What a forward pass can find: the pages, and nets that show it. The arithmetic is in `prototxt_gpu_check.verdict`."""
