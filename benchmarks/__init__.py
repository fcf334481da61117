"""How fast we are, and how cheap, side by side with what a user would pick instead."""
