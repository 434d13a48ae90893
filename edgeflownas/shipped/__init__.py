"""Which files come with the package?

Configurations, boards, cost tables, and the weights and scores of the demo. In a checkout, the folders here are links
to the top-level folders. A wheel contains the files themselves.
"""
