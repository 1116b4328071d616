"""What docks share: forms made from settings, tables, and the way onto napari's thread."""
