"""The parts that several pages draw, and the state of one browser session."""
