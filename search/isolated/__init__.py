"""How is the command line started without importing anything from the working folder? By the path of this folder."""
