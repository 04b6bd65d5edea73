"""Cameras that are ROS topics, live or recorded: what their messages hold. Knows no ROS installation."""
