"""What was seen of an answer's body while it passed: a watch, a page of a list, a log, an upgraded connection."""
