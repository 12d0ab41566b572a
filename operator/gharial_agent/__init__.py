"""The node agent: finds, flashes and licenses cards, and offers them to the scheduler by DRA."""
