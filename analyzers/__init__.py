"""What a Kubernetes API exchange means: decoders, rules, and the words to say it in.

Nothing here knows mitmproxy, the clock, or the environment. An ``Exchange`` goes in, whatever it was recorded with;
everything after that is a pure function of it.
"""
