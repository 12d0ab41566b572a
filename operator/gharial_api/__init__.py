"""The custom resources of Gharial as pydantic models; crds/ is made from them.

`AsrCardPool` says which cards there are and what they run, `AsrCardNode` is one node's part of a pool, `AsrModel` is a
model served on them.
"""

from gharial_api.model import AsrModel
from gharial_api.node import AsrCardNode
from gharial_api.pool import AsrCardPool

__all__ = ["AsrCardNode", "AsrCardPool", "AsrModel"]
