"""What is known of each vendor's departures, one module each: `PROFILES`, and `MODELS` by profile and pattern."""
