"""Pairs of images with their flow: what a sample is, and the data sets that give samples."""
