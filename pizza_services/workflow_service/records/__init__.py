"""The records of orders that are kept outside their workflows."""
