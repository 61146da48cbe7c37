"""Tests of the pages, run through the frame without a browser, of the live stream and of the server as shipped."""
