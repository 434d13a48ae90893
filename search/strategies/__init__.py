"""Three ways to search, each a strategy of the same engine, chosen by ``strategy`` in the configuration.

- ``one_shot`` (A): one supernet of the whole space, one search.
- ``staged`` (B): backbones are trained and searched first, then heads, then the best backbones with the best heads.
- ``independent`` (C): no shared weights; the architectures of a fair sample are trained one by one.

All produce the same files: an archive in ``search.h5``, and its front in ``front.csv``.
"""
