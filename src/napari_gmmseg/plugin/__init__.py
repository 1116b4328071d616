"""napari's side: layers to nouns and back, files into layers and out, sample data. Imports no Qt."""
