"""The only place with clocks, random numbers, sockets, threads and the environment. Internal."""
