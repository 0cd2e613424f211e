"""What several pages draw, and what one browser session looks at."""
