"""The OpenAI Chat Completions dialect, which most of the field speaks. Bytes only, no sockets. Internal."""
