"""What does a search leave on disk? Its checkpoint, the scores of a whole space, and the front."""
