"""Reply to a prompt: a language model of the reader's choice, or fixed rules without one."""
