"""Whether YAML from the network may be loaded: a few lines of it can cost more time and memory than there is."""

from __future__ import annotations

import yaml

# PyYAML looks at every level again with every token.
_DEEPEST = 100
_OPENS = (yaml.FlowSequenceStartToken, yaml.FlowMappingStartToken)
_CLOSES = (yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken)


def may_be_loaded(text: str) -> bool:
    """False where there are aliases, since those of aliases stand for more than any memory holds, and where brackets
    are nested too deep. Raises yaml.YAMLError for what is no YAML."""
    depth = 0
    for token in yaml.scan(text):
        if isinstance(token, _OPENS):
            depth += 1
        elif isinstance(token, _CLOSES):
            depth -= 1
        if depth > _DEEPEST or isinstance(token, yaml.AliasToken):
            return False
    return True
