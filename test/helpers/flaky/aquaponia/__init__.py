"""Stand-ins for the scripts, for the fault tests alone."""
