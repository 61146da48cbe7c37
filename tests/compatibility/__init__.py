"""Studio homes made by earlier versions: today's code opens them."""
