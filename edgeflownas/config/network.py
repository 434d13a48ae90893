"""Keys of the network: its space and size."""

from pydantic import Field

from edgeflownas.config.section import Section

DEFAULT_SPACE = "edgeflownet_bilinear"


class NetworkConfig(Section):
    """Size of the network."""

    width: int = Field(
        32, ge=2, multiple_of=2, description="Base width of the network, in channels. The documentation calls it c."
    )
