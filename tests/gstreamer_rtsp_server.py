"""An RTSP server of GStreamer's on loopback, serving one H.264 MP4. Run by the system's Python, which has gi.

Arguments: the clip; a port, 0 for any; perhaps "basic" or "digest", and then user and password are magno. Prints
the port; ends with its standard input.
"""

import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

NAME = "magno"


def login(method):
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, "user")
    if method == "basic":
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(NAME, NAME), token)
    else:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(NAME, NAME, token)
    return auth


def permissions():
    role = "user, media.factory.access=(boolean)true, media.factory.construct=(boolean)true"
    found = GstRtspServer.RTSPPermissions()
    found.add_role_from_structure(Gst.Structure.from_string(role)[0])
    return found


Gst.init(None)
loop = GLib.MainLoop()
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(
    f'( filesrc location="{sys.argv[1]}" ! qtdemux ! h264parse config-interval=-1 ! rtph264pay name=pay0 pt=96 )'
)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(sys.argv[2])
if sys.argv[3:]:
    server.set_auth(login(sys.argv[3]))
    factory.set_permissions(permissions())
server.get_mount_points().add_factory("/clip", factory)
if not server.attach(None):
    sys.exit("no such port to be had")
print(server.get_bound_port(), flush=True)
threading.Thread(target=lambda: (sys.stdin.read(), loop.quit()), daemon=True).start()
loop.run()
