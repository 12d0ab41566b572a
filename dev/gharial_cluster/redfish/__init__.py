"""Management controllers of the box's machines: a Redfish emulator whose machines obey it. Needs sushy-tools."""
