"""./lab console, ./lab zipkin and ./lab trace: what shows the labs, beside them."""
