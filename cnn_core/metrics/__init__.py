"""Finding out what a network got right and wrong: metrics, evaluation on the test images, and pictures of both."""
