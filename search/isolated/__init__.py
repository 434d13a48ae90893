"""How is the command line started from any folder? By this folder's path, without imports from the working folder."""
