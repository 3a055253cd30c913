"""What things are: values without behaviour that reaches outside. Internal; the public names are exported by `modelroute`."""
