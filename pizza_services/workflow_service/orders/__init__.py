"""Requests about orders: where an order stands, and what may be done with it then."""
