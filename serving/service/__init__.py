"""What the routes ask: recommendations, tastes, charts and the published model."""
