"""Measurements that anyone can repeat: ``make bench``. Ratios within one run are to be quoted, never bare times."""
