"""What things are: values without behaviour that reaches outside. Internal; `modelroute` exports the public names."""
