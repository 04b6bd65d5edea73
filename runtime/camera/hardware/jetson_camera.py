"""Cameras of a Jetson, encoded by its hardware for the vectors.

    jetson:v4l2:///dev/video0?size=1280x720&rate=30           a USB camera that sends pictures
    jetson:gst:nvarguscamerasrc ! nvvidconv                   a CSI camera, through a pipeline that makes NV12

It wants the shim compiled (`python -m magno.runtime.camera.hardware.jetson_shim`) and its vectors calibrated, both
on the device.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from magno.runtime.camera.device import DeviceSource, device_of
from magno.runtime.camera.gstreamer import GStreamerSource, raw_command_for
from magno.runtime.camera.hardware.calibrated import convention_of
from magno.runtime.camera.hardware.jetson import NAME, JetsonSource, encoder_options
from magno.runtime.camera.hardware.jetson_library import JetsonLibrary
from magno.runtime.camera.hardware.jetson_shim.build import find_built
from magno.runtime.camera.hardware.jetson_shim.release import read_release
from magno.runtime.camera.hardware.raw_pictures import RawPicture, RawPictures
from magno.runtime.camera.request import CameraError, CameraRequest
from magno.runtime.clock import Clock

SCHEME = "jetson:"
PIPELINE, DEVICES = "gst:", ("v4l2:", "lavfi:")
CODEC = "h264"


def open_source(request: CameraRequest, clock: Clock) -> JetsonSource:
    """Raises CameraError where there is no Jetson, no shim, no calibration or no camera; the first that lacks."""
    built = find_built(read_release())
    convention = convention_of(NAME, built.device)
    library = JetsonLibrary(built)
    raw = open_raw(request, clock)
    try:
        encoder = library.open(encoder_options(CODEC, raw.size, raw.rate))
    except BaseException:
        raw.close()
        raise
    return JetsonSource(raw, encoder, CODEC, convention, calibrated=True)


def open_raw(request: CameraRequest, clock: Clock) -> RawPictures:
    """The camera behind the encoder. Raises CameraError."""
    inner = replace(request, url=request.url[len(SCHEME) :])
    if inner.url.lower().startswith(PIPELINE):
        return PipelinePictures(GStreamerSource(inner, clock, raw_command_for(inner)))
    if not inner.url.lower().startswith(DEVICES):
        raise CameraError(
            "A jetson: camera wants jetson:v4l2:///dev/video0, or jetson:gst: and a pipeline, found "
            f"{request.url[:200]!r}. Write it so."
        )
    device = device_of(inner.url)
    raw_only = tuple(options for options in device.attempts if options.get("input_format") != "h264")
    return DevicePictures(DeviceSource(inner, clock, replace(device, attempts=raw_only or device.attempts)))


class DevicePictures:
    """A camera at its driver, its pictures as NV12 of an even size."""

    def __init__(self, camera: DeviceSource) -> None:
        self._camera, self._reformatter = camera, VideoReformatter()
        self.size = (camera.size[0] & ~1, camera.size[1] & ~1)
        self.rate, self.time_from = camera.rate, camera.time_from

    def pictures(self) -> Iterator[RawPicture]:
        """Raises CameraError when the camera is gone, or encodes by itself."""
        for item, pts_ns, capture_ns in self._camera.pictures():
            if not isinstance(item, VideoFrame):
                raise CameraError(
                    f"A jetson: camera wants pictures, found {self._camera.codec}, which is encoded already. Leave out "
                    "jetson:, or ask for another format, such as ?format=mjpeg."
                )
            yield RawPicture(
                self._reformatter.reformat(item, *self.size, "nv12").to_ndarray(), pts_ns, capture_ns
            )

    def close(self) -> None:
        self._camera.close()


class PipelinePictures:
    """A GStreamer pipeline that ends in NV12."""

    def __init__(self, pipeline: GStreamerSource) -> None:
        self._pipeline = pipeline
        self.size, self.rate, self.time_from = pipeline.size, pipeline.rate, pipeline.time_from

    def pictures(self) -> Iterator[RawPicture]:
        """Raises CameraError when the pipeline fails, or its pictures have padding."""
        width, height = self.size
        for unit in self._pipeline.units():
            if not unit.data:  # some were dropped: the encoder looks from one that came to the next
                continue
            if len(unit.data) != width * height * 3 // 2:
                raise CameraError(
                    f"A jetson: pipeline wants NV12 pictures of {width * height * 3 // 2} bytes, found "
                    f"{len(unit.data)}. Choose a width that is a multiple of 4 and an even height."
                )
            nv12 = np.frombuffer(unit.data, np.uint8).reshape(height * 3 // 2, width)
            yield RawPicture(nv12, unit.pts_ns, unit.capture_ns)

    def close(self) -> None:
        self._pipeline.close()
