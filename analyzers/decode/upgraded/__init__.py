"""Upgraded connections: exec, attach, cp and port-forward over WebSocket and SPDY, read as their bytes pass.

    bytes ──▶ websocket.Frames ──▶ channels.Channels ─────────────▶ Tally   remote_command.RemoteCommand
                     │ a tunnel                                       ▲     port_forward.PortForward
                     └──────────▶ spdy.Frames ──▶ streams.Streams ────┘
    bytes ─────────────────────────▶ (plain SPDY)

Each direction has its own frames; what they count is shared. Payload is skipped over by its length: nothing that a user
typed or forwarded is copied, unmasked or kept. Only the error channel, which the API side writes, is.
"""
