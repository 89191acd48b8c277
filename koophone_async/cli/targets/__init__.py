"""The phones, instances and servers that a command works on."""
