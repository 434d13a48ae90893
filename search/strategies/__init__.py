"""Three ways to search, each a strategy of the same engine, chosen by ``strategy`` in the configuration.

- ``one_shot`` (A): one supernet of everything, one search.
- ``staged`` (B): backbones are trained and searched first, then heads, then what was kept of both.
- ``independent`` (C): no shared weights; a fair sample of architectures is trained one by one.

All leave the same files: an archive in ``search.h5``, and its front in ``front.csv``.
"""
