"""What a forward pass can find. The arithmetic is `prototxt_gpu_check.verdict`; here are the pages, and nets that show it."""
