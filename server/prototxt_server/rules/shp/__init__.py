"""SHP: what Caffe checks about shapes and counts when it sets a layer up."""
