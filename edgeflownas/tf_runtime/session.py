"""TensorFlow sessions with the settings that the whole project uses."""

from typing import Any, Mapping, Optional

import numpy as np

from edgeflownas.tf_runtime.devices import Devices
from edgeflownas.tf_runtime.stack import tf


class _Session(tf.Session):
    """A session that reports exhausted memory as a ``MemoryError``, like the rest of the project."""

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Run operators and return the fetched values, as ``tf.Session.run`` does."""
        try:
            return super().run(*args, **kwargs)
        except tf.errors.ResourceExhaustedError as error:
            reason = str(error.message).splitlines()[0]
            raise MemoryError(f"out of memory: {reason}; use smaller batches or fewer parallel workers") from None


def open_session(graph: tf.Graph, threads: int, devices: Optional[Devices] = None) -> tf.Session:
    """Open a session that allocates GPU memory only as needed.

    Args:
        graph: Graph to run.
        threads: Number of CPU threads.
        devices: Devices that the session sees; if None, all.
    """
    config = tf.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads)
    config.use_per_session_threads = True
    config.gpu_options.allow_growth = True
    if devices is not None:
        devices.restrict_session(config)
    # The graph optimizer takes seconds for each new set of fetches, and no measurement here showed a gain.
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    return _Session(graph=graph, config=config)


def load_variables(
    session: tf.Session, variables: Mapping[str, tf.Variable], values: Mapping[str, np.ndarray]
) -> None:
    """Set variables to the values of the same names in one call; separate calls would take seconds for a supernet."""
    initial = {variables[name].initializer.inputs[1]: values[name] for name in variables}
    session.run([variable.initializer for variable in variables.values()], initial)
