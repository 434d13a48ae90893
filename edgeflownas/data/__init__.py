"""Where do image pairs come from?"""

import os

PIXELS = 1 << 26  # largest image; a file that claims more is damaged, or made to exhaust the memory
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(PIXELS))  # OpenCV reads it once, when it is imported
