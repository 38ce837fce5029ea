"""``mitmweb -s script.py``: the annotations, for a cluster entry whose proxy-url was set by hand."""

import sys
from pathlib import Path

# mitmproxy puts this file's folder on the path, and the packages stand beside it.
sys.path.append(str(Path(__file__).resolve().parent.parent))

from proxy_addons.by_hand import ByHand

addons = [ByHand()]
