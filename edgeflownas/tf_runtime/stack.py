"""The only import of TensorFlow: graph mode, on either of the two supported stacks.

The *legacy* stack is TensorFlow 1.15 on Python 3.7, the reference. The *modern* stack is TensorFlow 2.16 or newer, used
through its version 1 interface with version 2 behaviour switched off. Outside this folder, no module asks which runs.
"""

import os

from edgeflownas.tf_runtime.messages import hide_native_messages

__all__ = ["MODERN", "tf"]

# TensorFlow reads these when it is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # no notes on CPU features or on missing GPU libraries
# Otherwise every session gets the thread pool of the first one, such as the two threads of an image reader.
os.environ["TF_OVERRIDE_GLOBAL_THREADPOOL"] = "1"
# Otherwise TensorFlow 2 imports Keras 3, and with it Matplotlib, which takes a third of the time of its own import.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

with hide_native_messages():  # TensorFlow ignores that level while it starts and looks for GPUs
    import tensorflow.compat.v1 as tf

    MODERN = not tf.__version__.startswith("1.")
    tf.logging.set_verbosity(tf.logging.ERROR)  # deprecation warnings are addressed to developers
    if MODERN:
        tf.disable_v2_behavior()
    tf.config.experimental.list_physical_devices()
