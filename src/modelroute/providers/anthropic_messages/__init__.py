"""The Anthropic Messages dialect. Bytes only, no sockets. Internal."""
