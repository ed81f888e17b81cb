"""The cable itself: what there is to lose."""

from __future__ import annotations

import platform

from candidates.base import Candidate, Stage, Tunnel


class Plain(Candidate):
    """The veth pair without any tunnel."""

    def version(self) -> str:
        return f"veth, Linux {platform.release()}"

    def start(self, stage: Stage) -> Tunnel:
        return Tunnel(stage.ground.left.address, stage.ground.right.address)
