"""Pairs of images with their flow: what a sample is, and the data sets that give samples."""

import os

PIXELS = 1 << 26  # of an image, at most; what claims more is damaged, or meant to fill the memory
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(PIXELS))  # before OpenCV is imported, which reads it once
