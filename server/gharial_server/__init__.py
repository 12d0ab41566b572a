"""The streaming server: engine (slots, scheduler, runner) and web (admission, WebSocket, HTTP)."""
