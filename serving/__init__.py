"""The HTTP side: recommendations, each with its reason, over what the stores and the published artifact hold."""
