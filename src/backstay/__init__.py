"""backstay: one dependable layer between a program and language models."""
