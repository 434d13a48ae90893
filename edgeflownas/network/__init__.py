"""How is one network defined and computed? Its stages as data, the space of its options, and its graph."""
