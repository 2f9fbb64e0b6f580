"""Recovery of orders whose workflow cannot finish them."""
