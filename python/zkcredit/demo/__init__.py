"""The demonstration: half a year of real cardholders' lives through hidden credit lines."""
