"""Messages, fields and enums of each Caffe dialect, with the documentation that hovers show."""
