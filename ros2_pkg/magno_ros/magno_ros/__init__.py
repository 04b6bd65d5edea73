"""magno as a ROS 2 node: ask a robot's cameras, before a deadline."""
