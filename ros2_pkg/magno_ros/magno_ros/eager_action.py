"""An action server that takes all goals that wait, not one each time it is woken, and rejects with one message.

Waking costs more than a goal; and rclpy writes a numpy array out in words for each goal, though nobody listens, which
alone would be a quarter of a core at a thousand goals a second.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.action import ActionServer, GoalResponse
from rclpy.node import Node

AT_ONCE = 32  # so that others have their turn, too


class EagerActionServer(ActionServer):
    """As rclpy's, by its interface of a waitable. `decide` gets each goal before rclpy does."""

    def __init__(
        self, node: Node, kind: Any, *words: Any, decide: Callable[[Any], GoalResponse], **options: Any
    ) -> None:
        self._decide, self._rejection = decide, kind.Impl.SendGoalService.Response(accepted=False)
        super().__init__(node, kind, *words, **options)

    def take_data(self) -> Any:
        taken: list[Any] = []
        while len(taken) < AT_ONCE:
            data = super().take_data()
            if not any(data.values()):
                break
            taken.append(data)
        return taken

    async def execute(self, taken_data: Any) -> None:
        for data in taken_data:
            if "goal" in data and self._is_rejected(*data["goal"]):
                del data["goal"]
            await super().execute(data)

    def _is_rejected(self, header: Any, request: Any) -> bool:
        if self._decide(request.goal) is GoalResponse.ACCEPT:
            return False
        try:
            self._handle.send_goal_response(header, self._rejection)
        except Exception as fault:  # the client has gone
            self._logger.debug(f"A rejection could not be sent: {fault!r}.")
        return True
