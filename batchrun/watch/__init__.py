"""Folders of specs: found, advanced without waiting, put away. The same passes serve `watch` and `tick`."""
