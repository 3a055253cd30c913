"""The OpenAI Responses dialect: what newer OpenAI models take tools by. Bytes only, no sockets. Internal."""
