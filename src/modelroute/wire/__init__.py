"""Bytes to values and back, without a socket: streams, JSON, errors, waits, keys, token counts. Internal.

Whatever a server sends, a function here gives a value or raises `GarbledError` (`wire.errors`), and nothing else.
"""
