"""Some pictures out of a scene, as a scene. Pure."""

from __future__ import annotations

from dataclasses import replace

from magno.training.scenes.nouns import CameraPath, Scene, Shot


def excerpt(scene: Scene, first: int, stop: int) -> Scene:
    """Pictures `first` to `stop` of it, which lie in one shot. Their grain is drawn anew."""
    start = 0
    for shot in scene.shots:
        if start <= first < stop <= start + shot.pictures:
            light = scene.sensor.light[first:stop]
            own = _of_shot(shot, slice(first - start, stop - start))
            return replace(scene, shots=(own,), sensor=replace(scene.sensor, light=light))
        start += shot.pictures
    raise ValueError(f"An excerpt wants pictures of one shot, found {first} to {stop} of {scene.pictures}.")


def _of_shot(shot: Shot, kept: slice) -> Shot:
    camera = shot.camera
    return replace(
        shot,
        pictures=kept.stop - kept.start,
        camera=CameraPath(camera.centre[kept], camera.scale[kept], camera.shaken),
        things=tuple(
            replace(thing, path=thing.path[kept], radius=thing.radius[kept], present=thing.present[kept])
            for thing in shot.things
        ),
    )
