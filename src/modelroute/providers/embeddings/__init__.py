"""Asking for vectors in place of an answer: how each dialect that has words for it says so. Internal."""
