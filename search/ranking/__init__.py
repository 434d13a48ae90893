"""How far can a supernet's ranking be trusted? Rank correlation with children that were trained alone."""
