"""The demo's node, with the cameras of config/magno.yaml: ros2 launch magno_ros demo.launch.py

Run it where the YAML's relative paths lead, or give params_file:=FILE. Discovery stays on this machine.
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, EmitEvent, RegisterEventHandler, SetEnvironmentVariable
from launch.events import matches_action
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from launch_ros.substitutions import FindPackageShare
from lifecycle_msgs.msg import Transition


def generate_launch_description():
    default = PathJoinSubstitution([FindPackageShare("magno_ros"), "config", "magno.yaml"])
    node = LifecycleNode(
        package="magno_ros",
        executable="magno_node",
        name="magno",
        namespace="",
        output="screen",
        parameters=[LaunchConfiguration("params_file")],
    )

    def change(transition):
        return EmitEvent(
            event=ChangeState(lifecycle_node_matcher=matches_action(node), transition_id=transition)
        )

    activate_once_configured = RegisterEventHandler(
        OnStateTransition(
            target_lifecycle_node=node,
            start_state="configuring",
            goal_state="inactive",
            entities=[change(Transition.TRANSITION_ACTIVATE)],
        )
    )
    return LaunchDescription(
        [
            SetEnvironmentVariable("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST"),
            DeclareLaunchArgument("params_file", default_value=default, description="the node's parameters"),
            activate_once_configured,
            node,
            change(Transition.TRANSITION_CONFIGURE),
        ]
    )
