"""Makes `twistd xmpp-gateway` known; Twisted finds this file by its folder, which must have no `__init__.py`."""

from twisted.application.service import ServiceMaker

xmpp_gateway = ServiceMaker("xmpp-gateway", "gateway.tap", "XMPP federation gateway", "xmpp-gateway")
