"""The flow of one request: generators that yield commands and do no I/O. Internal."""
