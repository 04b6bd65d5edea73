from setuptools import find_packages, setup

NAME = "magno_ros"

setup(
    name=NAME,
    version="0.1.0",
    description="Lifecycle node that answers questions about what a robot's cameras see, before a deadline.",
    license="Apache-2.0",
    maintainer="magno maintainers",
    maintainer_email="maintainers@magno.invalid",
    packages=find_packages(exclude=["test"]),
    package_data={NAME: ["loopback.xml"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        (f"share/{NAME}/launch", ["launch/camera.launch.py", "launch/demo.launch.py"]),
        (f"share/{NAME}/config", ["config/magno.yaml", "config/magno_policy.xml"]),
    ],
    install_requires=["setuptools", "magno"],
    extras_require={"test": ["pytest"]},  # colcon test runs pytest only when this names it
    zip_safe=True,
    entry_points={
        "console_scripts": [
            "magno_node = magno_ros.main:main",
            "patrol = magno_ros.patrol:main",
            "bench = magno_ros.bench:main",
        ]
    },
)
