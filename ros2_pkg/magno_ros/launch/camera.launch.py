"""One node watching one camera: ros2 launch magno_ros camera.launch.py bundle:=DIR url:=FILE"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, EmitEvent, RegisterEventHandler
from launch.events import matches_action
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from launch_ros.parameter_descriptions import ParameterValue
from lifecycle_msgs.msg import Transition

ARGUMENTS = {
    "bundle": ("", "the bundle's folder, as `magno export` wrote it"),
    "url": ("", "the clip to play as a camera"),
    "loop": ("true", "begin again at the clip's end"),
    "pace": ("live", "live: the clip's own rate; fast: as fast as it can be read"),
    "name": ("magno", "name of the node"),
    "namespace": ("", "namespace of the node"),
}


def generate_launch_description():
    value = {name: LaunchConfiguration(name) for name in ARGUMENTS}
    node = LifecycleNode(
        package="magno_ros",
        executable="magno_node",
        name=value["name"],
        namespace=value["namespace"],
        output="screen",
        parameters=[
            {
                "bundle": ParameterValue(value["bundle"], value_type=str),
                "cameras": ["camera"],
                "camera.url": ParameterValue(value["url"], value_type=str),
                "camera.loop": ParameterValue(value["loop"], value_type=bool),
                "camera.pace": ParameterValue(value["pace"], value_type=str),
            }
        ],
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
            *(
                DeclareLaunchArgument(name, default_value=default, description=text)
                for name, (default, text) in ARGUMENTS.items()
            ),
            activate_once_configured,
            node,
            change(Transition.TRANSITION_CONFIGURE),
        ]
    )
