"""``mitmkube demo``: real commands through the real proxy, against an API server that answers from recordings."""
