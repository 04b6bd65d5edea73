"""The folders of this repository, mapped into one package: `runtime/` is imported as `magno.runtime`."""

from pathlib import Path

from setuptools import setup

HERE = Path(__file__).parent
FOLDERS = {
    "magno": "magno",
    "magno.runtime": "runtime",
    "magno.runtime.camera": "runtime/camera",
    "magno.runtime.camera.h264": "runtime/camera/h264",
    "magno.runtime.camera.decoding": "runtime/camera/decoding",
    "magno.runtime.camera.hardware": "runtime/camera/hardware",
    "magno.runtime.camera.process": "runtime/camera/process",
    "magno.runtime.camera.topic": "runtime/camera/topic",
    "magno.runtime.camera.network": "runtime/camera/network",
    "magno.runtime.camera.hardware.jetson_shim": "runtime/camera/hardware/jetson_shim",
    "magno.runtime.conformance": "runtime/conformance",
    "magno.runtime.backends": "runtime/backends",
    "magno.runtime.commands": "runtime/commands",
    "magno.runtime.gguf": "runtime/gguf",
    "magno.runtime.inspection": "runtime/inspection",
    "magno.runtime.past": "runtime/past",
    "magno.runtime.questions": "runtime/questions",
    "magno.runtime.viz": "runtime/viz",
    "magno.export": "export",
    "magno.export.engines": "export/engines",
    "magno.export.families": "export/families",
    "magno.export.graphs": "export/graphs",
    "magno.export.language": "export/language",
    "magno.export.random_models": "export/random_models",
    "magno.export.verify": "export/verify",
    "magno.export.weights": "export/weights",
    "magno.calibration": "calibration",
    "magno.calibration.codec": "calibration/codec",
    "magno.calibration.encoders": "calibration/encoders",
    "magno.calibration.loads": "calibration/loads",
    "magno.calibration.malformed": "calibration/malformed",
    "magno.calibration.mutants": "calibration/mutants",
    "magno.calibration.profiling": "calibration/profiling",
    "magno.calibration.rtsp": "calibration/rtsp",
    "magno.training": "training",
    "magno.training.ablations": "training/ablations",
    "magno.training.scenes": "training/scenes",
    "magno.training.questions": "training/questions",
}
EXPORT = [
    "torch>=2.6",
    "transformers>=4.48",
    "onnx>=1.17",
    "onnxscript>=0.3",
    "gguf>=0.16",
    "safetensors>=0.5",
    "tokenizers>=0.20",
]

setup(
    name="magno",
    version="0.1.0",
    description="Deployment runtime of a codec-aware video language model: ask a robot's camera, before a deadline.",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=list(FOLDERS),
    package_dir=FOLDERS,
    package_data={
        "magno.runtime": ["py.typed"],
        "magno.calibration.profiling": ["*.css"],
        "magno.runtime.camera.hardware.jetson_shim": ["*.c", "*.h"],
    },
    install_requires=[
        "numpy>=1.24",
        "av>=12",
        "onnxruntime>=1.17",
        "llama-cpp-python==0.3.36",  # its low-level API moves between releases
        "rich>=13",
    ],
    extras_require={
        "export": EXPORT,
        "train": [*EXPORT, "matplotlib>=3.8"],
        "rtx": ["tensorrt-rtx>=1.7", "cuda-python>=12.6"],  # builds engines with no GPU
        "nvdec": ["PyNvVideoCodec>=2.2"],  # vectors from an NVIDIA GPU's decoder
        "bag": ["mcap>=1.6", "mcap-ros2-support>=0.6"],  # recorded ROS topics, without a ROS
        "viz": ["rerun-sdk==0.23.4"],  # half as large as the newest
        "test": ["pytest>=8", "hypothesis>=6.100", "ruff>=0.8", "mypy>=1.13"],
    },
    entry_points={"console_scripts": ["magno = magno.cli:main"]},
)
