"""Score the scripts on recorded data that lies beside the project."""
