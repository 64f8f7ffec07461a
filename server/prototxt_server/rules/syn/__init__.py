"""SYN: text that protobuf's parser refuses, and fields whose values do not have the field's type."""
