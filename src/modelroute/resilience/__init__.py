"""When to try, wait and stop. Pure: every function is handed the time and the random draw. Internal."""
