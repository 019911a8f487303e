"""Makes `twistd xmpp-gateway` known; Twisted finds this file by its folder, which must have no `__init__.py`."""

import gc
from typing import Any

from twisted.application.service import ServiceMaker


class GatewayMaker(ServiceMaker):  # type: ignore[misc]
    """The gateway's entry in twistd's table of services."""

    @property
    def options(self) -> Any:
        """Return what reads the command line. twistd asks for it only when this service was named.

        The imports that follow leave no garbage, so the collector would look through all that they make several times
        over and find nothing. `gateway.tap.spare_the_collector` turns it on again when the service runs.
        """
        gc.disable()
        return super().options


xmpp_gateway = GatewayMaker("xmpp-gateway", "gateway.tap", "XMPP federation gateway", "xmpp-gateway")
