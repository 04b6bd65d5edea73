"""Cameras behind urls: RTSP read here, every other family through libavformat."""
