"""What pages share: the frame, the server's store and worker, the event stream, run selection, forms, charts, components."""
